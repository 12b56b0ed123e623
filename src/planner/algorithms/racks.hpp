// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "planner/hosts.hpp"
#include "schedule/schedule.hpp"

/// Hierarchical over three tiers, hosts and racks: few messages where there are many hosts, for bytes that cross a
/// host's network once more. Racks and hosts may be unequal.
///
/// P ranks, R racks of h hosts of m ranks, b bytes per pair. Each block for another rack goes to the rank of the own
/// rack that has its destination's place there (its *rack peer*), and from there to its destination:
/// - step 0, in the host: rank k hands f what f forwards to other hosts of the rack, and its own block for f (m - 1
///   messages of P b / m);
/// - step 1, in the rack: f sends each rail peer (algorithms/hierarchical.hpp) in the other hosts of the rack all
/// blocks
///   of its host for it, and those that it takes to other racks (h - 1 messages of m b R);
/// - step 2, between racks: a rank sends its rack peer in each other rack all blocks of its rack for it (R - 1 messages
/// of
///   h m b), final on arrival.
/// So a rank sends h - 1 + R - 1 messages to other hosts instead of the h R - 1 of hierarchical(rail). A byte for
/// another rack leaves a host twice, unless its source's host holds the rack peer: (h - 1) / h of them on average.
namespace banyan::planner::racks {

/// How to build. The same on all ranks.
struct Options {
  bool mapped = true;            ///< messages between ranks that share memory are kMapped
  bool self_describing = false;  ///< all-to-all-v: headers carry the sizes
};

/// Whether there are several racks and one of them has several hosts: else it is hierarchical(rail).
[[nodiscard]] bool differs_from_rail(const Hosts& hosts);

/// The rank of `rack` that carries blocks for `destination`, of another rack.
[[nodiscard]] int rack_peer(const Hosts& hosts, int rack, int destination);

/// The rank's part.
[[nodiscard]] schedule::RankSchedule build(const Hosts& hosts, int rank, const Options& options);

}  // namespace banyan::planner::racks
