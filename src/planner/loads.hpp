// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "planner/hosts.hpp"
#include "topology/locality_tree.hpp"

namespace banyan::planner {

/// What is to be exchanged: `block_bytes` for every pair, or a matrix [num_ranks, num_ranks] row-major (borrowed).
struct Demand {
  size_t block_bytes = 0;
  std::span<const uint64_t> matrix;

  [[nodiscard]] bool uniform() const noexcept { return matrix.empty(); }
  [[nodiscard]] uint64_t bytes(int num_ranks, int from, int to) const {
    return uniform() ? block_bytes
                     : matrix[static_cast<size_t>(from) * static_cast<size_t>(num_ranks) + static_cast<size_t>(to)];
  }
};

/// Sums of a demand that predictions need; computed once, then every candidate is O(hosts).
struct Loads {
  std::vector<uint64_t> subtree_egress;   ///< by tree node: bytes that leave it
  std::vector<uint64_t> subtree_ingress;  ///< by tree node: bytes that enter it
  std::vector<uint64_t> host_local;       ///< by host: bytes between its ranks
  uint64_t host_pair_max = 0;             ///< most bytes from one host to another
  uint64_t rank_remote_max = 0;           ///< most bytes a rank sends to, or receives from, other hosts
  uint64_t rank_local_max = 0;            ///< the same within its host
  int rank_messages_max = 0;              ///< most non-empty remote pairs of a rank, sending or receiving
  int host_messages_max = 0;              ///< the same of all ranks of a host
};

/// `only_above`: counts only pairs larger than this; `only_up_to`: only pairs up to this.
[[nodiscard]] Loads sum_loads(const topology::LocalityTree& tree, const Hosts& hosts, const Demand& demand,
                              uint64_t only_above, uint64_t only_up_to);

}  // namespace banyan::planner
