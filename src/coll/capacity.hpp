// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace banyan::coll {

/// From what a rank's capacities are computed. Borrows the weights.
struct CapacityTerms {
  std::span<const double> weights;  ///< [size]: share of this rank's rows that goes to each rank, to any scale
  size_t rows = 0;                  ///< that this rank sends in one exchange, at most
  double factor = 1;                ///< room beyond the shares
  size_t min_capacity = 0;          ///< of pairs whose weight is not 0
};

/// Rows that this rank may send to each rank: min(rows, max(min_capacity, ceil(factor * rows * w_j / sum of w))), and 0
/// where w_j is 0. Rounded up, as DeepSpeed-MoE's sharded_moe.py does with tokens / experts * factor, so a pair has at
/// least what its weight asks for, and all pairs have less than factor * rows + size in sum (without min_capacity). A
/// quota that is above a whole number by less than 1e-12 of itself counts as that number: 12 rows in three equal shares
/// are 4, 4, 4 whatever the rounding of 1/3. A pure function. Error{INVALID_ARGUMENT}: a weight that is negative,
/// infinite or NaN, all weights 0 with rows to send, a factor that is not positive and finite; Error{LIMIT}: 2^53 rows
/// or more.
[[nodiscard]] std::vector<size_t> capacities_of(const CapacityTerms& terms);

}  // namespace banyan::coll
