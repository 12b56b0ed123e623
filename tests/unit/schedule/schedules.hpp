// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "schedule/schedule.hpp"

/// Schedules built by hand, independent of the planner, for the tests of the schedule and executor folders.
namespace banyan::schedule::testing {

/// Every block in a message of its own.
[[nodiscard]] Schedule direct(int num_ranks);

/// Ranks in a circle; a block goes from neighbour to neighbour, one step a hop.
[[nodiscard]] Schedule ring(int num_ranks);

/// Step 0: a rank sends all its blocks for another host in one message to one rank there, chosen by its own place on
/// its host. Step 1: blocks go to their destinations through mapped memory. Hosts are lists of ranks and may be uneven.
[[nodiscard]] Schedule two_level(const std::vector<std::vector<int>>& hosts);

/// Each block takes a path of its own through up to `max_relays` other ranks; equal hops share a message.
[[nodiscard]] Schedule random_paths(int num_ranks, int max_relays, uint64_t seed);

/// Orders messages as Schedule says, keeping the order of those equal in step and sender.
void sort_messages(Schedule& schedule);

}  // namespace banyan::schedule::testing
