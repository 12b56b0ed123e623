// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/routing.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "moe/exchange/drop.hpp"

namespace banyan::moe {
namespace {

/// Chooses among replicas.
class ReplicaChooser {
 public:
  ReplicaChooser(const ExpertMap& map, const planner::Hosts& hosts, int source)
      : map_(map), state_(static_cast<size_t>(map.num_experts())) {
    for (int expert = 0; expert < map.num_experts(); ++expert) {
      State& state = state_[static_cast<size_t>(expert)];
      const auto replicas = map.replicas(expert);
      const auto shares = map.shares(expert);
      if (replicas.size() == 1) {
        continue;
      }
      if (!shares.empty()) {
        const double largest = *std::max_element(shares.begin(), shares.end());  // or the sum might be infinite
        for (const double share : shares) {
          state.shares.push_back(share / largest);
        }
      } else {
        int nearest = kFar;
        for (const int rank : replicas) {
          nearest = std::min(nearest, distance(hosts, source, rank));
        }
        for (const int rank : replicas) {
          state.shares.push_back(distance(hosts, source, rank) == nearest ? 1 : 0);
        }
      }
      state.total = std::accumulate(state.shares.begin(), state.shares.end(), 0.0);
      state.credit.resize(replicas.size());
      state.credit[first_of(state, source)] = state.total * 1e-6;
    }
  }

  /// The replica of the next choice: of those that are behind their shares the one that would first be a whole choice
  /// behind. With these release times and deadlines, earliest deadline first keeps each within one of its share
  /// (Baruah, Cohen, Plaxton, Varvel, Algorithmica 15, 1996: a schedule exists; of unit tasks on one machine EDF finds
  /// it).
  size_t next(int expert) {
    State& state = state_[static_cast<size_t>(expert)];
    if (state.credit.empty()) {
      return 0;
    }
    size_t best = state.credit.size();
    double best_deadline = 0;
    for (size_t n = 0; n < state.credit.size(); ++n) {
      state.credit[n] += state.shares[n];
      if (state.shares[n] > 0 && state.credit[n] > 0) {
        const double deadline = (state.total - state.credit[n]) / state.shares[n];
        if (best == state.credit.size() || deadline < best_deadline) {
          best = n;
          best_deadline = deadline;
        }
      }
    }
    state.credit[best] -= state.total;
    return best;
  }

 private:
  static constexpr int kFar = 3;
  struct State {
    std::vector<double> shares, credit;
    double total = 0;
  };

  /// Ranks begin with different replicas, or the first would have all their first choices.
  static size_t first_of(const State& state, int source) {
    std::vector<size_t> used;
    for (size_t n = 0; n < state.shares.size(); ++n) {
      if (state.shares[n] > 0) {
        used.push_back(n);
      }
    }
    return used[static_cast<size_t>(source) % used.size()];
  }

  static int distance(const planner::Hosts& hosts, int a, int b) {
    if (a == b) {
      return 0;
    }
    if (hosts.host_of(a) == hosts.host_of(b)) {
      return 1;
    }
    return hosts.rack_of(a) == hosts.rack_of(b) ? 2 : kFar;
  }

  const ExpertMap& map_;
  std::vector<State> state_;
};

/// What is wrong with one choice.
Problem check(const GateOutput& gate, const RoutingRules& rules, const ExpertMap& map, size_t token, int slot) {
  const int64_t* row = gate.topk_idx + token * static_cast<size_t>(rules.top_k);
  const int64_t expert = row[slot];
  if (expert < -1 || expert >= map.num_experts()) {
    return {.kind = Problem::Kind::kIndex, .slot = slot, .token = token, .value = expert};
  }
  if (std::find(row, row + slot, expert) != row + slot) {
    return {.kind = Problem::Kind::kDuplicate, .slot = slot, .token = token, .value = expert};
  }
  if (gate.topk_weights != nullptr) {
    const float weight = gate.topk_weights[token * static_cast<size_t>(rules.top_k) + static_cast<size_t>(slot)];
    if (!std::isfinite(weight)) {
      return {.kind = Problem::Kind::kWeight, .slot = slot, .token = token, .value = std::bit_cast<int32_t>(weight)};
    }
  }
  return {};
}

}  // namespace

std::string Problem::text(int rank, int num_experts) const {
  const std::string who = "rank " + std::to_string(rank) + ": ";
  const std::string where = "[" + std::to_string(token) + "][" + std::to_string(slot) + "] is ";
  switch (kind) {
    case Kind::kNone:
      break;
    case Kind::kTokens:
      return who + "num_tokens is " + std::to_string(value) + ", max_tokens " + std::to_string(token);
    case Kind::kMissing:
      return who + "topk_idx is NULL with num_tokens " + std::to_string(value);
    case Kind::kIndex:
      return who + "topk_idx" + where + std::to_string(value) + ", must be an expert from 0 to " +
             std::to_string(num_experts - 1) + ", or -1 for none";
    case Kind::kDuplicate:
      return who + "topk_idx" + where + std::to_string(value) + ", which the token has chosen already";
    case Kind::kWeight:
      return who + "topk_weights" + where + std::to_string(std::bit_cast<float>(static_cast<int32_t>(value))) +
             ", must be finite";
  }
  return who + "nothing is wrong";
}

Problem check_whole(const GateOutput& gate, const RoutingRules& rules) {
  if (gate.num_tokens > rules.max_tokens && !rules.drop_invalid) {
    return {.kind = Problem::Kind::kTokens,
            .slot = 0,
            .token = rules.max_tokens,
            .value = static_cast<int64_t>(gate.num_tokens)};
  }
  if (gate.num_tokens > 0 && gate.topk_idx == nullptr) {
    return {.kind = Problem::Kind::kMissing, .slot = 0, .token = 0, .value = static_cast<int64_t>(gate.num_tokens)};
  }
  return {};
}

Routing make_routing(const GateOutput& gate, const RoutingRules& rules, const ExpertMap& map,
                     const planner::Hosts& hosts, int source, Problem* problem) {
  *problem = gate.slice != nullptr ? gate.slice->known : check_whole(gate, rules);
  if (problem->kind != Problem::Kind::kNone) {
    return {};
  }
  Routing routing;
  const auto top_k = static_cast<size_t>(rules.top_k);
  const size_t num_tokens = std::min(gate.num_tokens, rules.max_tokens);
  routing.num_invalid = gate.slice != nullptr ? gate.slice->num_left_out : (gate.num_tokens - num_tokens) * top_k;
  routing.begin.push_back(0);
  ReplicaChooser chooser(map, hosts, source);
  for (size_t token = 0; token < num_tokens; ++token) {
    for (int slot = 0; slot < rules.top_k; ++slot) {
      const size_t at = token * top_k + static_cast<size_t>(slot);
      const int64_t expert = gate.topk_idx[at];
      if (expert == -1) {
        continue;
      }
      const Problem found = check(gate, rules, map, token, slot);
      if (found.kind != Problem::Kind::kNone && !rules.drop_invalid) {
        *problem = found;
        problem->token = gate.slice != nullptr ? gate.slice->numbers[token] : token;
        return {};
      }
      if (found.kind != Problem::Kind::kNone) {
        ++routing.num_invalid;
        continue;
      }
      const size_t replica = chooser.next(static_cast<int>(expert));
      routing.picks.push_back({.rank = map.replicas(static_cast<int>(expert))[replica],
                               .local_expert = map.local_index(static_cast<int>(expert), replica),
                               .slot = slot,
                               .weight = gate.topk_weights != nullptr ? gate.topk_weights[at] : 1});
    }
    std::stable_sort(routing.picks.begin() + routing.begin.back(), routing.picks.end(),
                     [](const Pick& a, const Pick& b) { return a.rank < b.rank; });
    routing.begin.push_back(static_cast<uint32_t>(routing.picks.size()));
  }
  if (rules.capacity > 0 && !rules.drops_late()) {
    const PicksByReplica picks = order_picks(routing, rules, map, source);
    const std::vector<uint32_t> most(picks.num_replicas(), static_cast<uint32_t>(rules.capacity));
    routing.num_dropped = keep_first(routing, picks, most);
  }
  return routing;
}

}  // namespace banyan::moe
