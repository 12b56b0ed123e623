// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

namespace banyan::moe {

/// Who has tokens and who has experts, checked.
struct TokenDemand {
  std::vector<int> owner;        ///< [num_experts]: rank of each expert
  std::vector<int> num_experts;  ///< [ranks]: experts of each rank
  std::vector<size_t> tokens;    ///< [ranks]: S_i
  int top_k = 1;
  double total = 0;  ///< k * sum of S_i, token copies

  /// Token copies that a rank sends, k S_i, and receives, its experts' parts of all.
  [[nodiscard]] double sent(size_t rank) const { return static_cast<double>(tokens[rank]) * top_k; }
  [[nodiscard]] double received(size_t rank) const {
    return total * num_experts[rank] / static_cast<double>(owner.size());
  }
};

/// `owner` empty: contiguous blocks, the first ranks hold one more where they do not divide. `tokens`: one number for
/// each rank, or one for all. Error{INVALID_ARGUMENT} names field, index, value and what is allowed; Error{LIMIT}:
/// 2^53 token copies or more, or bytes that overflow.
[[nodiscard]] TokenDemand make_demand(int num_ranks, int num_experts, const std::vector<int>& owner,
                                      const std::vector<size_t>& tokens, int top_k, size_t row_bytes);

}  // namespace banyan::moe
