// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace banyan::perf {

/// Who sends how much to whom in one exchange. A value.
struct Traffic {
  int num_ranks = 0;
  size_t element_size = 1;
  std::vector<uint64_t> bytes;          ///< [num_ranks, num_ranks] row-major, from row to column
  std::optional<size_t> uniform_bytes;  ///< set: an all-to-all of this many bytes per pair, else an all-to-all-v

  [[nodiscard]] uint64_t at(int from, int to) const {
    return bytes[static_cast<size_t>(from) * static_cast<size_t>(num_ranks) + static_cast<size_t>(to)];
  }
};

/// Every pair sends `bytes_per_pair`. `variable`: the same counts, but as an all-to-all-v.
[[nodiscard]] Traffic uniform_traffic(int num_ranks, size_t bytes_per_pair, size_t element_size, bool variable = false);

/// Rounds each entry up to whole elements.
[[nodiscard]] Traffic matrix_traffic(int num_ranks, std::vector<uint64_t> matrix, size_t element_size);

/// The largest row or column sum: what the busiest rank sends or receives, its own block included.
[[nodiscard]] uint64_t busiest_rank_bytes(const Traffic& traffic);
[[nodiscard]] uint64_t total_bytes(const Traffic& traffic);
/// Mean over all pairs, rounded down; 0 without ranks.
[[nodiscard]] uint64_t mean_bytes_per_pair(const Traffic& traffic);

/// Counts and displacements of one rank, in elements, blocks side by side in rank order.
struct RankLayout {
  std::vector<size_t> sendcounts;
  std::vector<size_t> sdispls;
  std::vector<size_t> recvcounts;
  std::vector<size_t> rdispls;
  size_t send_bytes = 0;
  size_t recv_bytes = 0;
};
[[nodiscard]] RankLayout rank_layout(const Traffic& traffic, int rank);

}  // namespace banyan::perf
