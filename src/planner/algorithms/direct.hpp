// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "planner/hosts.hpp"
#include "schedule/schedule.hpp"

/// Direct: every block travels alone from its source to its destination.
///
/// P ranks, n hosts of m ranks, b bytes per pair. Per rank: P - 1 messages of b bytes, of which m(n - 1) leave the
/// host; between hosts m^2 n(n - 1) messages and m^2 n(n - 1) b bytes in all. One step. Order: host distance d = 1 ..
/// n-1; at distance d the ranks of host x send to host x + d only, each starting at another rank there, so that no
/// receiver is hit by all senders at once. Ranks of the own host are served beside that.
namespace banyan::planner::direct {

/// Rank `rank`'s sends to, and receives from, ranks of other hosts, in order.
[[nodiscard]] std::vector<int> remote_send_order(const Hosts& hosts, int rank);
[[nodiscard]] std::vector<int> remote_receive_order(const Hosts& hosts, int rank);
/// The other ranks of the own host, staggered.
[[nodiscard]] std::vector<int> local_send_order(const Hosts& hosts, int rank);
[[nodiscard]] std::vector<int> local_receive_order(const Hosts& hosts, int rank);

/// The rank's part. Local messages are kMapped if `mapped`.
[[nodiscard]] schedule::RankSchedule build(const Hosts& hosts, int rank, bool mapped);

}  // namespace banyan::planner::direct
