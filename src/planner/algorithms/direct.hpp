// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "planner/hosts.hpp"
#include "schedule/schedule.hpp"

/// Direct: every block travels alone from its source to its destination.
///
/// P ranks, n hosts of m ranks, b bytes per pair. Per rank: P - 1 messages of b bytes, of which m(n - 1) leave the
/// host; between hosts m^2 n(n - 1) messages and m^2 n(n - 1) b bytes in all. One step of the schedule. Between hosts
/// the messages go in (n - 1) m *phases*: in a phase every rank sends to one rank and receives from one, and every host
/// sends to one host and receives from one, so that no link is asked for more than its share. The executor keeps ranks
/// in step with each other by phase (CompileOptions::window). Ranks of the own host are served beside that.
namespace banyan::planner::direct {

/// The phase in which `from` sends to `to`, a rank of another host: by host distance, then by the difference of their
/// places in their hosts. Hosts of fewer ranks than the largest have phases without a message.
[[nodiscard]] int phase(const Hosts& hosts, int from, int to);

/// Number of a pair's first message among those that are spread over rails (transport::Fabric::transport): one after
/// the other for a rank from phase to phase, and for the ranks of a host in one phase.
[[nodiscard]] inline int first_place(const Hosts& hosts, int from, int to) {
  return hosts.local_index(from) + phase(hosts, from, to);
}

/// Rank `rank`'s sends to, and receives from, ranks of other hosts, in order of phases.
[[nodiscard]] std::vector<int> remote_send_order(const Hosts& hosts, int rank);
[[nodiscard]] std::vector<int> remote_receive_order(const Hosts& hosts, int rank);
/// The other ranks of the own host, staggered.
[[nodiscard]] std::vector<int> local_send_order(const Hosts& hosts, int rank);
[[nodiscard]] std::vector<int> local_receive_order(const Hosts& hosts, int rank);

/// The rank's part. Messages between ranks that share memory are kMapped if `mapped`.
[[nodiscard]] schedule::RankSchedule build(const Hosts& hosts, int rank, bool mapped);

}  // namespace banyan::planner::direct
