// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "cost/cost_model.hpp"
#include "planner/hosts.hpp"
#include "topology/locality_tree.hpp"

namespace banyan::planner {

/// How direct messages between hosts are cut, and how far a rank's sends may be ahead of its receives
/// (executor::CompileOptions::window). Zeros, in what a caller wishes, stand for the planner's choice.
struct Pace {
  size_t chunk_bytes = 0;
  int window = 0;
  size_t window_bytes = 0;
  /// Pieces that exist only to give each of several rails its share are no smaller. Never wished for.
  size_t least_piece_bytes = 0;
};

/// Fills in what `wish` leaves open, from the model alone, so all ranks choose alike. The window covers four latencies
/// of a rank's share of its host's network: under load a latency is that much longer (lab, 1 and 10 Gbit/s, 2026-11-22:
/// 8 KiB to 32 KiB ahead reach the wire's rate, more only lengthens queues; docs/decisions/0004). A piece is large
/// enough for its message to be worth its cost: two cards of 10 Gbit/s, 16 ranks, 1 MiB on average: pieces of 32 KiB
/// instead of 16 took 7 to 40 % less time on 32 cores (2026-11-22), up to 10 % less on 16, and about as much as 64 or
/// 128 KiB; one card: no difference (docs/performance.md, "The grid"). A message takes a rank 3 to 5 us there.
[[nodiscard]] Pace choose_pace(const topology::LocalityTree& tree, const Hosts& hosts, const cost::CostModel& model,
                               const Pace& wish);

}  // namespace banyan::planner
