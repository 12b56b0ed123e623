// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "topology/locality_tree.hpp"

namespace banyan::profiler {

/// Data from one rank to another. A pattern of traffic is a list of flows with distinct pairs.
struct Flow {
  int from = 0;
  int to = 0;
  double weight = 1;  ///< bytes = weight * scale
  int group = 0;      ///< flows of one group are measured together

  bool operator==(const Flow&) const = default;
};
using Flows = std::vector<Flow>;

/// A pattern as one rank gives it to an all-to-all-v, in bytes; [size] each.
struct Layout {
  std::vector<size_t> send_bytes;
  std::vector<size_t> send_offsets;  ///< all 0: what is sent does not matter
  std::vector<size_t> recv_bytes;
  std::vector<size_t> recv_offsets;
  size_t send_total = 0;  ///< bytes that the send buffer must have
  size_t recv_total = 0;  ///< bytes that the receive buffer must have
};

/// Bytes of a flow: at least 1.
[[nodiscard]] size_t flow_bytes(const Flow& flow, size_t scale);
[[nodiscard]] Layout layout_of(const Flows& flows, int rank, int num_ranks, size_t scale);
/// The largest sum of weights that one rank receives; at least that of one flow of weight 1.
[[nodiscard]] double largest_inflow(const Flows& flows, int num_ranks);

/// Adds flows from the ranks of one host to those of another: each rank of the larger side takes part once, and the
/// weights add up to `weight`.
void add_host_flows(Flows& flows, const std::vector<int>& from, const std::vector<int>& to, double weight, int group);

/// Scales weights so that the largest is 1. At least one must be above 0.
void normalise(Flows& flows);

/// The rounds of a round-robin tournament: in n - 1 rounds (n if odd) of disjoint pairs, every two meet once.
[[nodiscard]] std::vector<std::vector<std::pair<int, int>>> tournament(int n);

/// At most `limit` of the hosts other than `host`, evenly spread round the ring of hosts.
[[nodiscard]] std::vector<int> partners(int num_hosts, int host, int limit);

/// Max-min fair shares of `capacity` for receivers that take at most `limits[i]` each.
[[nodiscard]] std::vector<double> fair_shares(double capacity, const std::vector<double>& limits);

/// Most messages that one rank, and that the ranks of one host together, send or receive.
struct Busiest {
  int rank = 0;
  int host = 0;
};
[[nodiscard]] Busiest busiest(const topology::LocalityTree& tree, const Flows& flows);

/// Two patterns of messages between ranks whose innermost common tier is `tier`: with few messages and with many.
struct MessagePatterns {
  Flows few;
  Flows many;
  Busiest busiest_few;
  Busiest busiest_many;
  /// What `many` has more, at the busiest.
  [[nodiscard]] Busiest extra() const noexcept {
    return {.rank = busiest_many.rank - busiest_few.rank, .host = busiest_many.host - busiest_few.host};
  }
};
/// Spread evenly over all ranks, up to `limit` messages each way per rank.
[[nodiscard]] MessagePatterns message_patterns(const topology::LocalityTree& tree, topology::Tier tier, int limit);
/// Between `rank` and one, or up to `limit`, others, both ways; all other ranks are idle.
[[nodiscard]] MessagePatterns one_rank_patterns(const topology::LocalityTree& tree, topology::Tier tier, int rank,
                                                int limit);

}  // namespace banyan::profiler
