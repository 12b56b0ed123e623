// SPDX-License-Identifier: Apache-2.0
#include "coll/weighted_choice.hpp"

#include <algorithm>
#include <vector>

namespace banyan::coll {
namespace {

/// Limits that are compared: the model's for uniform traffic, and these parts of it.
constexpr size_t kLowerLimits[] = {8, 64};

std::vector<size_t> limits_for(const planner::Choice& choice, const planner::Wish& wish) {
  std::vector<size_t> limits = {choice.block_limit};
  if (wish.aggregate_limit_bytes == 0) {
    for (const size_t part : kLowerLimits) {
      const size_t lower = std::max(choice.block_limit / part, planner::kMinBlockLimit);
      if (lower < limits.back()) {
        limits.push_back(lower);
      }
    }
  }
  return limits;
}

}  // namespace

planner::Choice choose_weighted(const planner::Situation& situation, std::span<const uint64_t> matrix,
                                const planner::Wish& wish) {
  if (matrix.empty()) {
    return planner::choose_v(situation, wish);
  }
  const planner::Demand demand{.block_bytes = 0, .matrix = matrix};
  planner::Choice best = planner::choose_v_for(situation, demand, wish);
  if (best.forced || best.block_limit == 0) {
    return best;
  }
  const auto candidates = best.candidates;
  for (const size_t limit : limits_for(best, wish)) {
    for (const planner::Candidate& candidate : candidates) {
      planner::Wish other = wish;
      other.algorithm = planner::algorithm_name(candidate.algorithm);
      other.aggregate_limit_bytes = limit;
      planner::Choice choice = planner::choose_v_for(situation, demand, other);
      if (choice.chosen.prediction.total_s() < best.chosen.prediction.total_s()) {
        best = choice;
        best.forced = false;
        best.origin.clear();
      }
    }
  }
  return best;
}

}  // namespace banyan::coll
