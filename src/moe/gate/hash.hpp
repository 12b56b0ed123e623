// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "moe/gate/scores.hpp"

namespace banyan::moe::gate {

/// See banyan_gate_hash_options. Borrows the table.
struct HashTerms {
  size_t num_experts = 1;
  uint64_t seed = 0;
  std::span<const int64_t> table{};  ///< expert of each token id; empty: a hash decides
};

/// See banyan_gate_hash: one expert of weight 1 for each token id. Error{INVALID_ARGUMENT}.
[[nodiscard]] Routing hash(std::span<const int64_t> token_ids, const HashTerms& terms);

}  // namespace banyan::moe::gate
