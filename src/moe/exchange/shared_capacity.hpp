// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "moe/exchange/announcement.hpp"
#include "moe/exchange/drop.hpp"
#include "moe/exchange/group.hpp"

namespace banyan::moe {

/// Picks of all ranks for a replica: `all` has a count for each replica.
[[nodiscard]] uint64_t total_picks(const Announced& all, size_t replica);

/// Picks that go beyond `capacity`, of all ranks.
[[nodiscard]] uint64_t count_beyond(const Announced& all, CapacityScope scope, size_t capacity);

/// How many of its picks a rank keeps of each replica where places are given by rank, then in each rank's own order.
[[nodiscard]] std::vector<uint32_t> kept_by_rank(const Announced& all, size_t rank, size_t capacity);

/// How many of each source's keys are among the `capacity` largest of all, of equal ones those of the first source.
/// Each source's keys descend.
[[nodiscard]] std::vector<uint32_t> kept_by_key(const std::vector<std::span<const uint32_t>>& keys, size_t capacity);

/// How many of this rank's picks stay of each replica, by the group's scope and drop policy and what all ranks counted.
/// kGlobal policies with keys ask the replicas' ranks: two exchanges of the keys and numbers of replicas that are
/// chosen too often, none if no replica is. Collective.
[[nodiscard]] std::vector<uint32_t> share_capacity(Group& group, const Routing& routing, const PicksByReplica& picks,
                                                   const Announced& all, size_t capacity);

}  // namespace banyan::moe
