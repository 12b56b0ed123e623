// SPDX-License-Identifier: Apache-2.0
#include "reference_routing.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

#include "moe/exchange/drop.hpp"

namespace banyan::moe::testing {
namespace {

/// A choice among all those of a replica; what sorts first stays.
struct Candidate {
  double order = 0;
  size_t source = 0;
  uint32_t pick = 0;  ///< by token

  [[nodiscard]] auto rank() const { return std::tuple(order, source, pick); }
};

double order_of(const Job& job, const GroupTerms& terms, const Routing& routing, size_t source, uint32_t pick) {
  switch (job.drop) {
    case DropPolicy::kPosition:
      return 0;
    case DropPolicy::kScore:
      return -static_cast<double>(routing.picks[pick].weight);
    case DropPolicy::kRandom:
      break;
  }
  return -static_cast<double>(drop_key(terms.routing, static_cast<int>(source), routing, pick));
}

/// Every rank's routing before anything is dropped.
std::vector<Routing> all_routings(const Job& job, const Group& group) {
  RoutingRules all_stay = job.terms().routing;
  all_stay.capacity = 0;
  std::vector<Routing> routings;
  for (size_t source = 0; source < job.size(); ++source) {
    const Gate gate = gate_of(job, source);
    Problem problem;
    routings.push_back(make_routing({.topk_idx = gate.topk_idx.data(),
                                     .topk_weights = job.weighted ? gate.topk_weights.data() : nullptr,
                                     .num_tokens = job.tokens[source]},
                                    all_stay, group.map(), group.hosts(), static_cast<int>(source), &problem));
  }
  return routings;
}

Routing without(const Routing& all, const std::vector<char>& dropped) {
  Routing kept;
  kept.begin.push_back(0);
  for (size_t token = 0; token < all.num_tokens(); ++token) {
    for (uint32_t at = all.begin[token]; at < all.begin[token + 1]; ++at) {
      if (dropped[at] == 0) {
        kept.picks.push_back(all.picks[at]);
      }
    }
    kept.begin.push_back(static_cast<uint32_t>(kept.picks.size()));
  }
  return kept;
}

}  // namespace

std::optional<size_t> capacity_of(const Job& job, const Group& group) {
  const bool global = job.scope == CapacityScope::kGlobal;
  if (job.capacity_factor > 0) {
    const size_t tokens = global ? std::accumulate(job.tokens.begin(), job.tokens.end(), size_t{0})
                                 : *std::max_element(job.tokens.begin(), job.tokens.end());
    const double mean = job.top_k * static_cast<double>(tokens) / job.num_experts;
    size_t capacity = 0;  // the least that is enough, and no more than there can be
    while (static_cast<double>(capacity) < job.capacity_factor * mean - 1e-9 &&
           capacity < job.most_tokens() * (global ? job.size() : 1)) {
      ++capacity;
    }
    return capacity;
  }
  if (!job.capacity_is_most) {
    return job.capacity > 0 ? std::optional(job.capacity) : std::nullopt;
  }
  std::map<std::tuple<size_t, size_t, int, int>, size_t> counts;
  size_t most = 0;
  const auto routings = all_routings(job, group);
  for (size_t source = 0; source < routings.size(); ++source) {
    for (size_t token = 0; token < job.tokens[source]; ++token) {
      size_t chunk = 0;
      while (token >= job.tokens[source] * (chunk + 1) / job.num_chunks) {
        ++chunk;
      }
      for (const Pick& pick : routings[source].of(token)) {
        most = std::max(most, ++counts[{global ? 0 : source, chunk, pick.rank, pick.local_expert}]);
      }
    }
  }
  return most;
}

std::vector<Routing> kept_routings(const Job& job, const Group& group) {
  const auto capacity = job.capacity_is_most ? std::nullopt : capacity_of(job, group);
  std::vector<Routing> routings = all_routings(job, group);
  // A replica's choices, of each source by itself or of all.
  std::map<std::tuple<size_t, int, int>, std::vector<Candidate>> candidates;
  for (size_t source = 0; source < job.size(); ++source) {
    const Routing& routing = routings[source];
    for (uint32_t at = 0; at < routing.picks.size(); ++at) {
      const Pick& pick = routing.picks[at];
      const size_t limited = job.scope == CapacityScope::kGlobal ? 0 : source;
      candidates[{limited, pick.rank, pick.local_expert}].push_back(
          {order_of(job, job.terms(), routing, source, at), source, at});
    }
  }
  std::vector<std::vector<char>> dropped;
  for (const Routing& routing : routings) {
    dropped.emplace_back(routing.picks.size());
  }
  for (auto& [replica, list] : candidates) {
    std::sort(list.begin(), list.end(), [](const Candidate& a, const Candidate& b) { return a.rank() < b.rank(); });
    for (size_t n = capacity.value_or(list.size()); n < list.size(); ++n) {
      dropped[list[n].source][list[n].pick] = 1;
    }
  }
  for (size_t source = 0; source < routings.size(); ++source) {
    routings[source] = without(routings[source], dropped[source]);
  }
  return routings;
}

uint64_t dropped_of(const std::vector<Routing>& routings, const Job& job) {
  uint64_t count = 0;
  for (size_t rank = 0; rank < routings.size(); ++rank) {
    const Gate gate = gate_of(job, rank);
    count += static_cast<uint64_t>(std::count_if(gate.topk_idx.begin(), gate.topk_idx.end(),
                                                 [](int64_t expert) { return expert >= 0; })) -
             routings[rank].picks.size();
  }
  return count;
}

std::vector<double> expected_of(const Job& job, const ExpertMap& map, const Routing& routing, size_t rank) {
  const auto values = token_values(job, rank);
  std::vector<double> result(values.size());
  for (size_t token = 0; token < routing.num_tokens(); ++token) {
    for (const Pick& pick : routing.of(token)) {
      const int expert = map.experts_of(pick.rank)[static_cast<size_t>(pick.local_expert)];
      for (size_t i = token * job.hidden; i < (token + 1) * job.hidden; ++i) {
        std::vector<float> out = {expert_value(expert, values[i])};
        device::round_to(job.dtype, out);
        result[i] += static_cast<double>(pick.weight) * static_cast<double>(out[0]);
      }
    }
  }
  return result;
}

}  // namespace banyan::moe::testing
