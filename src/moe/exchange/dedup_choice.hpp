// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "cost/cost_model.hpp"
#include "moe/exchange/expert_map.hpp"
#include "moe/exchange/ladder.hpp"
#include "planner/hosts.hpp"

namespace banyan::moe {

/// Chance that a token which picks `top_k` of `num_experts` experts, each set equally likely, picks one of `some`:
/// 1 - C(num_experts - some, top_k) / C(num_experts, top_k).
[[nodiscard]] double hit_chance(int num_experts, int some, int top_k);

/// Time that a dispatch of `tokens` tokens a rank, chosen at random, takes by the model on the slowest host or rack:
/// bytes over the capacity of its links, and copies of rows that are handed on inside hosts, twice each, at the host's
/// rate. Overheads of messages are left out: they differ little, and rows are large. Replicas count as a part of their
/// expert each.
[[nodiscard]] double predict_dispatch(const planner::Hosts& hosts, const cost::CostModel& model, const ExpertMap& map,
                                      int top_k, Dedup dedup, double bytes_per_rank);

/// The level with the least predicted time; of equal ones the one with fewer steps. Equal on all ranks.
[[nodiscard]] Dedup choose_dedup(const planner::Hosts& hosts, const cost::CostModel& model, const ExpertMap& map,
                                 int top_k, double bytes_per_rank);

}  // namespace banyan::moe
