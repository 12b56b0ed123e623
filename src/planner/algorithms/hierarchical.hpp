// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "planner/hosts.hpp"
#include "schedule/schedule.hpp"

/// Hierarchical: blocks are gathered inside the host, cross to each other host in aggregated messages, and are handed
/// out there. Hosts may have different numbers of ranks. P ranks, n hosts of m ranks, b bytes per pair.
///
/// *rail*: one message per destination rank and source host. Step 0, in the host: rank k hands rank f its blocks for
/// the remote ranks that f forwards to, and its own block for f (m - 1 messages of n b). Step 1: f sends its rail peer
/// d in each other host all blocks of the host for d (n - 1 messages of m b), final on arrival. Equal hosts: f has d's
/// local index. Unequal hosts: destinations are dealt round the forwarders, starting elsewhere for each host pair.
///
/// *node*: one message per pair of hosts. Step 0: rank k hands the leader of host y its blocks for y (m - 1 messages).
/// Step 1: the leader sends y's leader for this host all blocks (one message of m^2 b per host pair and direction; the
/// n - 1 pairs of a host are dealt over its ranks). Step 2: that leader hands them out (m - 1 messages per leader).
///
/// Between hosts: rail n(n-1) m messages, node n(n-1); m^2 n(n-1) b bytes in both.
namespace banyan::planner::hierarchical {

enum class Fan : uint8_t { kRail, kNode };

/// How to build. The same on all ranks.
struct Options {
  Fan fan = Fan::kRail;
  bool mapped = true;            ///< messages between ranks that share memory are kMapped
  bool self_describing = false;  ///< all-to-all-v: headers carry the sizes
};

/// The local rank of host `from` that carries blocks for the remote rank `destination`.
[[nodiscard]] int forwarder(const Hosts& hosts, Fan fan, int from, int destination);

/// The rank's part.
[[nodiscard]] schedule::RankSchedule build(const Hosts& hosts, int rank, const Options& options);

}  // namespace banyan::planner::hierarchical
