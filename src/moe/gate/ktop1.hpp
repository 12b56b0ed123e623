// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "moe/gate/scores.hpp"

namespace banyan::moe::gate {

/// See banyan_gate_ktop1: the best expert of each of `num_prototypes` ranges of experts, weighted by the softmax of its
/// range; with `renormalize` the weights of a token are divided by their sum. Error{INVALID_ARGUMENT}.
[[nodiscard]] Routing ktop1(const Scores& scores, size_t num_prototypes, bool renormalize);

}  // namespace banyan::moe::gate
