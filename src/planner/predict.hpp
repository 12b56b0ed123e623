// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cost/cost_model.hpp"
#include "planner/algorithms/hierarchical.hpp"
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
  uint64_t rank_remote_max = 0;           ///< most bytes a rank sends to, or receives from, other hosts
  uint64_t rank_local_max = 0;            ///< the same within its host
  int rank_messages_max = 0;              ///< most non-empty remote pairs of a rank, sending or receiving
};

/// `only_above`: counts only pairs larger than this; `only_up_to`: only pairs up to this.
[[nodiscard]] Loads sum_loads(const topology::LocalityTree& tree, const Hosts& hosts, const Demand& demand,
                              uint64_t only_above, uint64_t only_up_to);

/// A predicted time and what it is made of, in seconds.
struct Prediction {
  double latency_s = 0;   ///< alpha of each step's deepest path
  double overhead_s = 0;  ///< per-message cost at the busiest rank
  double wire_s = 0;      ///< bytes over capacity at the busiest link
  double copy_s = 0;      ///< packing and unpacking that no wire time hides
  std::string busiest;    ///< name and direction of that link, e.g. "node1 egress"

  /// Messages are handed to the wire while earlier ones are on it, but not all of that time overlaps: a share of the
  /// smaller does not. This and the other shares below were fitted to 28 points of mpi_compare in the lab (direct, rail
  /// and node, 8 B to 256 KiB, 4 hosts of 4 ranks at 1 and 10 Gbit/s, 16 and 32 cores, 2026-11-22): 25 of them are
  /// within 25 %; the worst, node at 64 B and 1 Gbit/s, is predicted 57 % too slow.
  [[nodiscard]] double total_s() const noexcept {
    const double larger = overhead_s > wire_s ? overhead_s : wire_s;
    const double smaller = overhead_s > wire_s ? wire_s : overhead_s;
    return latency_s + larger + kNotOverlapped * smaller + copy_s;
  }

  static constexpr double kNotOverlapped = 0.2;
  /// Of packing and unpacking: blocks are packed for one host while another's are on the wire.
  static constexpr double kCopiesNotOverlapped = 0.5;
  /// The part of one message's overhead that its latency, half a round trip, already holds.
  static constexpr double kInLatency = 0.3;
};

/// The tier of messages between hosts.
[[nodiscard]] const cost::TierCost& remote_tier(const topology::LocalityTree& tree, const cost::CostModel& model);

/// T = alpha + overlap(2 o messages + local messages, max over links of bytes / capacity) (design section 5).
[[nodiscard]] Prediction predict_direct(const topology::LocalityTree& tree, const Hosts& hosts,
                                        const cost::CostModel& model, const Loads& loads);

/// The steps of algorithms/hierarchical.hpp. `header_bytes_per_block`: on average; 0 but for all-to-all-v.
[[nodiscard]] Prediction predict_hierarchical(const topology::LocalityTree& tree, const Hosts& hosts,
                                              const cost::CostModel& model, const Loads& loads, hierarchical::Fan fan,
                                              double header_bytes_per_block);

/// Both at once: all-to-all-v with small pairs aggregated and large ones direct. `whole`: all pairs direct, whose wire
/// time is that of the link with the largest sum; the busiest link of each part may be another.
[[nodiscard]] Prediction combine(const Prediction& aggregated, const Prediction& direct, const Prediction& whole);

/// max over directed links of bytes that must cross / capacity (design section 5); 0 if no link is limited.
[[nodiscard]] double lower_bound_s(const topology::LocalityTree& tree, const cost::CostModel& model,
                                   const Loads& loads);

}  // namespace banyan::planner
