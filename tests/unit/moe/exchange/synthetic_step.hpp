// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "moe/exchange/row_plan.hpp"
#include "topology/discover.hpp"
#include "topology/locality_tree.hpp"

namespace banyan::moe::testing {

inline topology::LocalityTree tree_of(const std::string& description) {
  return topology::LocalityTree::derive(topology::from_synthetic(description).value(description));
}

/// A step of all ranks of a synthetic machine, planned without an exchange: each rank reads what each source writes.
struct Step {
  Step(const std::string& machine, Dedup dedup, int num_experts, int top_k, size_t most_tokens, uint64_t seed,
       size_t num_chunks = 1, size_t most_parts = 1, size_t num_parts = 1)
      : tree(tree_of(machine)),
        hosts(tree),
        map(ExpertMap::blocks(num_experts, hosts.num_ranks())),
        ladder(hosts, dedup),
        rules{.dedup = dedup, .top_k = top_k, .num_chunks = num_chunks, .most_parts = most_parts} {
    std::mt19937_64 random(seed);
    const auto num_ranks = static_cast<size_t>(hosts.num_ranks());
    std::vector<int64_t> experts(static_cast<size_t>(num_experts));
    std::iota(experts.begin(), experts.end(), 0);
    std::vector<std::vector<PairRows>> pairs(num_ranks, std::vector<PairRows>(num_ranks));
    for (size_t source = 0; source < num_ranks; ++source) {
      const size_t tokens = random() % (most_tokens + 1);
      std::vector<int64_t> topk_idx;
      for (size_t token = 0; token < tokens; ++token) {
        std::shuffle(experts.begin(), experts.end(), random);
        topk_idx.insert(topk_idx.end(), experts.begin(), experts.begin() + top_k);
      }
      Problem problem;
      routings.push_back(make_routing({.topk_idx = topk_idx.data(), .topk_weights = nullptr, .num_tokens = tokens},
                                      {.top_k = top_k, .max_tokens = most_tokens}, map, hosts, static_cast<int>(source),
                                      &problem));
      std::vector<size_t> bytes(num_ranks);
      const auto data = write_metadata(ladder, rules, routings.back(), static_cast<int>(source), false, bytes);
      size_t place = 0;
      for (size_t rank = 0; rank < num_ranks; ++rank) {
        pairs[rank][source] = read_metadata(ladder, rules, static_cast<int>(source), static_cast<int>(rank), false,
                                            std::span(data).subspan(place, bytes[rank]));
        place += bytes[rank];
      }
    }
    for (size_t rank = 0; rank < num_ranks; ++rank) {
      for (size_t chunk = 0; chunk < num_chunks; ++chunk) {
        plans.push_back(make_row_plan({.ladder = ladder,
                                       .rules = rules,
                                       .routing = routings[rank],
                                       .pairs = pairs[rank],
                                       .rank = static_cast<int>(rank)},
                                      chunk, num_parts));
      }
    }
  }
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

  [[nodiscard]] const RowPlan& plan(size_t rank, size_t chunk = 0) const {
    return plans[rank * rules.num_chunks + chunk];
  }

  topology::LocalityTree tree;
  planner::Hosts hosts;
  ExpertMap map;
  Ladder ladder;
  MetadataRules rules;
  std::vector<Routing> routings;  ///< by rank
  std::vector<RowPlan> plans;     ///< by rank and chunk
};

}  // namespace banyan::moe::testing
