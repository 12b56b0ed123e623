// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace banyan::moe::gate {

/// The biases after a step in which expert e had counts[e] choices: up by `rate` below the mean, down above it, as they
/// are at it (Wang et al., arXiv 2408.15664, algorithm 1). Error{INVALID_ARGUMENT}: a rate or bias that is not finite.
[[nodiscard]] std::vector<float> updated_bias(std::span<const size_t> counts, double rate, std::span<const float> bias);

}  // namespace banyan::moe::gate
