// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/drop.hpp"

#include <algorithm>
#include <bit>

#include "moe/gate/random.hpp"

namespace banyan::moe {
namespace {

void remove(Routing& routing, const std::vector<char>& dropped) {
  size_t kept = 0;
  for (size_t token = 0; token < routing.num_tokens(); ++token) {
    const uint32_t first = routing.begin[token];
    routing.begin[token] = static_cast<uint32_t>(kept);
    for (uint32_t at = first; at < routing.begin[token + 1]; ++at) {
      if (dropped[at] == 0) {
        routing.picks[kept++] = routing.picks[at];
      }
    }
  }
  routing.begin.back() = static_cast<uint32_t>(kept);
  routing.picks.resize(kept);
}

}  // namespace

uint32_t drop_key(const RoutingRules& rules, int source, const Routing& routing, uint32_t pick) {
  switch (rules.drop) {
    case DropPolicy::kPosition:
      break;
    case DropPolicy::kScore: {
      const auto bits = std::bit_cast<uint32_t>(routing.picks[pick].weight + 0.0F);
      return (bits >> 31U) != 0 ? ~bits : bits | 0x80000000U;
    }
    case DropPolicy::kRandom: {
      const uint64_t base = gate::mixed(rules.seed) ^ gate::mixed(static_cast<uint64_t>(source));
      return static_cast<uint32_t>(~gate::mixed(base ^ pick) >> 32U);
    }
  }
  return 0;
}

PicksByReplica order_picks(const Routing& routing, const RoutingRules& rules, const ExpertMap& map, int source) {
  PicksByReplica picks;
  picks.begin_of_rank.push_back(0);
  for (int rank = 0; rank < map.num_ranks(); ++rank) {
    picks.begin_of_rank.push_back(picks.begin_of_rank.back() + map.experts_of(rank).size());
  }
  picks.lists.resize(picks.begin_of_rank.back());
  for (size_t at = 0; at < routing.picks.size(); ++at) {
    const Pick& pick = routing.picks[at];
    picks.lists[picks.begin_of_rank[static_cast<size_t>(pick.rank)] + static_cast<size_t>(pick.local_expert)].push_back(
        static_cast<uint32_t>(at));
  }
  if (rules.drop == DropPolicy::kPosition) {
    return picks;
  }
  for (auto& list : picks.lists) {
    std::stable_sort(list.begin(), list.end(), [&](uint32_t a, uint32_t b) {
      return drop_key(rules, source, routing, a) > drop_key(rules, source, routing, b);
    });
  }
  return picks;
}

uint64_t keep_first(Routing& routing, const PicksByReplica& picks, std::span<const uint32_t> most) {
  std::vector<char> dropped(routing.picks.size());
  uint64_t count = 0;
  for (size_t replica = 0; replica < picks.num_replicas(); ++replica) {
    const auto& list = picks.lists[replica];
    for (size_t n = most[replica]; n < list.size(); ++n) {
      dropped[list[n]] = 1;
      ++count;
    }
  }
  if (count > 0) {
    remove(routing, dropped);
  }
  return count;
}

}  // namespace banyan::moe
