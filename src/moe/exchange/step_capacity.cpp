// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/step_capacity.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.hpp"
#include "moe/exchange/metadata.hpp"
#include "moe/exchange/shared_capacity.hpp"

namespace banyan::moe {
namespace {

constexpr double kLargestFactor = 1e6;
constexpr double kRounding = 1e-12;  ///< 1.1 * 10 is 11, whatever binary makes of it

/// Choices for one expert that the scope can have.
size_t most_picks(const RoutingRules& rules, size_t num_ranks) {
  return rules.max_tokens * (rules.scope == CapacityScope::kGlobal ? num_ranks : 1);
}

size_t by_factor(const RoutingRules& rules, uint64_t tokens, int num_experts, size_t most) {
  const double needed =
      rules.capacity_factor * rules.top_k * static_cast<double>(tokens) / static_cast<double>(num_experts);
  const double whole = std::ceil(needed - kRounding * std::max(1.0, needed));
  return static_cast<size_t>(std::min(whole, static_cast<double>(most)));
}

[[noreturn]] void refuse(const std::string& text) { throw Error(BANYAN_ERR_INVALID_ARGUMENT, text); }

}  // namespace

std::vector<uint32_t> count_picks(const Routing& routing, const ExpertMap& map, size_t num_parts) {
  std::vector<size_t> begin_of_rank{0};
  for (int rank = 0; rank < map.num_ranks(); ++rank) {
    begin_of_rank.push_back(begin_of_rank.back() + map.experts_of(rank).size());
  }
  const size_t num_replicas = begin_of_rank.back();
  std::vector<uint32_t> counts(num_parts * num_replicas);
  for (size_t part = 0; part < num_parts; ++part) {
    const size_t end = chunk_start(routing.num_tokens(), part + 1, num_parts);
    for (size_t token = chunk_start(routing.num_tokens(), part, num_parts); token < end; ++token) {
      for (const Pick& pick : routing.of(token)) {
        const size_t replica = begin_of_rank[static_cast<size_t>(pick.rank)] + static_cast<size_t>(pick.local_expert);
        ++counts[part * num_replicas + replica];
      }
    }
  }
  return counts;
}

CapacityNeed capacity_need(const RoutingRules& rules, const Routing& routing, const ExpertMap& map, size_t num_chunks) {
  CapacityNeed need;
  if (!rules.capacity_is_most && !rules.counts_picks()) {
    return need;
  }
  need.counts = count_picks(routing, map, rules.capacity_is_most ? num_chunks : 1);
  need.most = *std::max_element(need.counts.begin(), need.counts.end());
  if (!rules.counts_picks()) {
    need.counts.clear();
  }
  return need;
}

size_t step_capacity(const RoutingRules& rules, const Announced& all, int num_experts) {
  const bool global = rules.scope == CapacityScope::kGlobal;
  uint64_t most = 0, tokens = 0;
  for (const Header& header : all.headers) {
    most = std::max<uint64_t>(most, header.most_picks);
    tokens = global ? tokens + header.num_tokens : std::max(tokens, header.num_tokens);
  }
  if (rules.capacity_factor > 0) {
    return by_factor(rules, tokens, num_experts, most_picks(rules, all.headers.size()));
  }
  if (rules.capacity_is_most && global) {
    most = 0;
    for (size_t replica = 0; replica < all.num_counts; ++replica) {
      most = std::max(most, total_picks(all, replica));
    }
  }
  return rules.capacity_is_most ? static_cast<size_t>(most) : rules.capacity;
}

size_t largest_capacity(const RoutingRules& rules, size_t num_ranks, int num_experts) {
  const size_t most = most_picks(rules, num_ranks);
  if (rules.capacity_factor > 0) {
    return by_factor(rules, most, num_experts, most);
  }
  return rules.capacity_is_most ? most : rules.capacity;
}

void check_capacity(const RoutingRules& rules, size_t num_ranks) {
  const bool global = rules.scope == CapacityScope::kGlobal;
  if (!(rules.capacity_factor >= 0) || rules.capacity_factor > kLargestFactor) {
    refuse("capacity_factor is " + std::to_string(rules.capacity_factor) + ", must be above 0 and at most 1e6, or 0");
  }
  if (rules.capacity_factor > 0 && (rules.capacity > 0 || rules.capacity_is_most)) {
    refuse("capacity and capacity_factor are given; choose one");
  }
  if (global && rules.capacity == 0 && !rules.capacity_is_most && rules.capacity_factor == 0) {
    refuse("capacity_scope is GLOBAL without a capacity");
  }
  if (rules.capacity > most_picks(rules, num_ranks)) {
    refuse("capacity is " + std::to_string(rules.capacity) + ", more than max_tokens " +
           std::to_string(rules.max_tokens) + (global ? " of " + std::to_string(num_ranks) + " ranks" : ""));
  }
}

}  // namespace banyan::moe
