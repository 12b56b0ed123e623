// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "moe/exchange/announcement.hpp"
#include "moe/exchange/expert_map.hpp"
#include "moe/exchange/routing.hpp"

namespace banyan::moe {

/// A source's picks in each of `num_parts` parts of its tokens (chunk_start), by part, then replica (PicksByReplica).
[[nodiscard]] std::vector<uint32_t> count_picks(const Routing& routing, const ExpertMap& map, size_t num_parts);

/// What a source tells all others of its picks, for them to know the capacity of the step and what goes beyond it.
struct CapacityNeed {
  std::vector<uint32_t> counts;  ///< count_picks(), where rules.counts_picks(); of one part unless the most are asked
  uint32_t most = 0;             ///< RoutingRules::capacity_is_most: of one replica in one chunk
};
[[nodiscard]] CapacityNeed capacity_need(const RoutingRules& rules, const Routing& routing, const ExpertMap& map,
                                         size_t num_chunks);

/// The capacity of a step, equal on all ranks; 0: none. With a factor f it is the least integer not below f * top_k *
/// tokens / experts (GShard, arXiv 2006.16668, section 2.2; Switch, arXiv 2101.03961, equation 3, of k choices), where
/// tokens are those of all ranks, or the most of a rank (Tutel's `inequivalent_tokens`).
[[nodiscard]] size_t step_capacity(const RoutingRules& rules, const Announced& all, int num_experts);

/// The largest that a step can have.
[[nodiscard]] size_t largest_capacity(const RoutingRules& rules, size_t num_ranks, int num_experts);

/// Error{INVALID_ARGUMENT}: what of the rules contradicts itself or is out of range.
void check_capacity(const RoutingRules& rules, size_t num_ranks);

}  // namespace banyan::moe
