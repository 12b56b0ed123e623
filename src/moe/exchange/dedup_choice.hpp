// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cost/cost_model.hpp"
#include "moe/exchange/expert_map.hpp"
#include "moe/exchange/ladder.hpp"
#include "planner/hosts.hpp"

namespace banyan::moe {

/// Chance that a token which picks `top_k` of `num_experts` experts, each set equally likely, picks one of `some`:
/// 1 - C(num_experts - some, top_k) / C(num_experts, top_k).
[[nodiscard]] double hit_chance(int num_experts, int some, int top_k);

/// Times of what a dispatch of random choices does one after the other, on the slowest host or rack by the model: bytes
/// over the capacity of links (kTier: of racks, then of hosts), and copies inside hosts at their rate: of rows that are
/// sent, that are handed on, twice each, and of rows for experts. Replicas count as a part of their expert each.
[[nodiscard]] std::vector<double> predict_stages(const planner::Hosts& hosts, const cost::CostModel& model,
                                                 const ExpertMap& map, int top_k, Dedup dedup, double bytes_per_rank);

/// predict_parts() of these stages in the best number of parts, of which each costs predict_overheads().
[[nodiscard]] double predict_dispatch(const planner::Hosts& hosts, const cost::CostModel& model, const ExpertMap& map,
                                      int top_k, Dedup dedup, double bytes_per_rank);

/// The level with the least predicted time; of equal ones the one with fewer steps. Equal on all ranks.
[[nodiscard]] Dedup choose_dedup(const planner::Hosts& hosts, const cost::CostModel& model, const ExpertMap& map,
                                 int top_k, double bytes_per_rank);

}  // namespace banyan::moe
