// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "moe/exchange/expert_map.hpp"
#include "moe/exchange/routing.hpp"

namespace banyan::moe {

/// A source's picks by replica. Replicas are numbered by rank, each rank's by local expert.
struct PicksByReplica {
  std::vector<size_t> begin_of_rank;         ///< [ranks + 1]: a rank's first replica
  std::vector<std::vector<uint32_t>> lists;  ///< by replica: places in Routing::picks, those that stay longest first

  [[nodiscard]] size_t num_replicas() const noexcept { return lists.size(); }
};

/// What RoutingRules::drop orders a source's pick by; larger stays longer, of equal ones the first. Weights as numbers
/// without a sign that are ordered alike, -0 as 0; of kRandom 32 drawn bits; of kPosition always 0.
[[nodiscard]] uint32_t drop_key(const RoutingRules& rules, int source, const Routing& routing, uint32_t pick);

[[nodiscard]] PicksByReplica order_picks(const Routing& routing, const RoutingRules& rules, const ExpertMap& map,
                                         int source);

/// Leaves the first most[replica] picks of each replica. Returns how many went; `picks` does not fit the routing then.
uint64_t keep_first(Routing& routing, const PicksByReplica& picks, std::span<const uint32_t> most);

}  // namespace banyan::moe
