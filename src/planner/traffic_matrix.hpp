// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace banyan::schedule {
struct BlockSizes;
}
namespace banyan::topology {
class LocalityTree;
}

namespace banyan::planner {

/// Bytes that each rank sends to each rank, itself included. A value. The functions below take matrices whose bytes are
/// [num_ranks, num_ranks] and throw Error{INVALID_ARGUMENT} for others.
struct TrafficMatrix {
  int num_ranks = 0;
  std::vector<uint64_t> bytes;  ///< [num_ranks, num_ranks] row-major, from row to column

  [[nodiscard]] uint64_t at(int from, int to) const {
    return bytes[static_cast<size_t>(from) * static_cast<size_t>(num_ranks) + static_cast<size_t>(to)];
  }
  uint64_t& at(int from, int to) {
    return bytes[static_cast<size_t>(from) * static_cast<size_t>(num_ranks) + static_cast<size_t>(to)];
  }

  bool operator==(const TrafficMatrix&) const = default;
};

/// Ranks of the largest matrix that is read or generated (512 MiB of counts).
inline constexpr int kMaxTrafficRanks = 8192;

/// Sum of all entries. Error{LIMIT} if it overflows, as in the functions below.
[[nodiscard]] uint64_t total_bytes(const TrafficMatrix& matrix);
/// By rank: what it sends, and what it receives.
[[nodiscard]] std::vector<uint64_t> row_sums(const TrafficMatrix& matrix);
[[nodiscard]] std::vector<uint64_t> column_sums(const TrafficMatrix& matrix);

/// Bytes between hosts, [hosts, hosts] row-major, hosts in the order of tree.at_tier(kNode); a host's entry with itself
/// holds what its ranks exchange, each rank's own block included. Error{INVALID_ARGUMENT} if tree and matrix differ in
/// ranks.
[[nodiscard]] TrafficMatrix host_matrix(const TrafficMatrix& matrix, const topology::LocalityTree& tree);

/// The matrix as sizes for schedule::verify; borrows from it.
[[nodiscard]] schedule::BlockSizes block_sizes(const TrafficMatrix& matrix);

/// The file format of --matrix: one row a line, sizes separated by blanks or a comma, `#` comments. A size is a number
/// of bytes, with an optional suffix k, M or G (powers of 1024). parse_matrix(print_matrix(m)) == m for num_ranks >= 1.
[[nodiscard]] std::string print_matrix(const TrafficMatrix& matrix);
/// Reads untrusted text, in time and memory bounded by its length. A matrix that is read has a sum that fits.
[[nodiscard]] Result<TrafficMatrix> parse_matrix(std::string_view text);

}  // namespace banyan::planner
