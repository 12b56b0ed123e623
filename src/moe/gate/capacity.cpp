// SPDX-License-Identifier: Apache-2.0
#include "moe/gate/capacity.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "base/error.hpp"
#include "moe/gate/random.hpp"
#include "moe/gate/scores.hpp"
#include "moe/gate/topk.hpp"

namespace banyan::moe::gate {
namespace {

/// From here on not every number of tokens is a double.
constexpr double kMaxRows = 0x1p53;

/// Of a quota, what counts as rounding; coll/capacity.cpp does the same.
constexpr double kRounding = 1e-12;

size_t rounded_up(double quota) {
  if (quota >= kMaxRows) {
    throw Error(BANYAN_ERR_LIMIT, "the capacity is " + text_of(quota) + " tokens, must be below 2^53");
  }
  return static_cast<size_t>(std::ceil(quota * (1 - kRounding)));
}

/// The factor of tokens per expert, rounded down as Tutel's int() does.
size_t tutel(const CapacityTerms& terms) {
  const size_t each = terms.num_tokens / terms.num_experts + (terms.num_tokens % terms.num_experts != 0 ? 1 : 0);
  const double quota = terms.factor * static_cast<double>(each);
  const double all = std::floor(quota * (1 + kRounding)) * static_cast<double>(terms.top_k);
  return rounded_up(all);
}

void check(const CapacityTerms& terms) {
  check_between("options.num_experts", terms.num_experts, 1, std::numeric_limits<int32_t>::max(), "");
  check_between("options.top_k", terms.top_k, 1, terms.num_experts, " (num_experts)");
  if (!(terms.factor > 0) || std::isinf(terms.factor)) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                "options.factor is " + text_of(terms.factor) + "; it is positive and finite");
  }
  if (static_cast<double>(terms.num_tokens) >= kMaxRows) {
    throw Error(BANYAN_ERR_LIMIT, "options.num_tokens is " + std::to_string(terms.num_tokens) + ", must be below 2^53");
  }
}

void check(const DropTerms& terms, std::span<const int64_t> topk_idx, std::span<const float> weights) {
  check_between("options.num_experts", terms.num_experts, 1, std::numeric_limits<int32_t>::max(), "");
  check_between("options.top_k", terms.top_k, 1, terms.num_experts, " (num_experts)");
  check_choices(topk_idx, terms.top_k, terms.num_experts);
  if (terms.policy != DropPolicy::kNone && terms.capacities.empty() && terms.capacity == 0) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "options.capacity is 0 and options.capacities is NULL; one must be set");
  }
  if (terms.policy != DropPolicy::kScore) {
    return;
  }
  if (weights.empty() && !topk_idx.empty()) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "topk_weights is NULL, but options.policy is BANYAN_GATE_DROP_SCORE");
  }
  for (size_t at = 0; at < weights.size(); ++at) {
    if (topk_idx[at] >= 0 && !std::isfinite(weights[at])) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT, "topk_weights[" + std::to_string(at / terms.top_k) + ", " +
                                                   std::to_string(at % terms.top_k) + "] (token, choice) is " +
                                                   text_of(weights[at]) + "; weights are finite");
    }
  }
}

/// Tokens in the order in which they are served.
std::vector<size_t> order_of(const DropTerms& terms, std::span<const int64_t> topk_idx,
                             std::span<const float> weights) {
  std::vector<double> keys(terms.num_tokens, 0.0);
  for (size_t token = 0; token < terms.num_tokens; ++token) {
    if (terms.policy == DropPolicy::kRandom) {
      keys[token] = uniform_at(terms.seed, token, 0);
    } else if (terms.policy == DropPolicy::kScore) {
      keys[token] = -std::numeric_limits<double>::infinity();
      for (size_t at = token * terms.top_k; at < (token + 1) * terms.top_k; ++at) {
        keys[token] = topk_idx[at] < 0 ? keys[token] : std::max(keys[token], double{weights[at]});
      }
    }
  }
  return best_of(keys, all_of(terms.num_tokens), terms.num_tokens);
}

size_t room_of(const DropTerms& terms, size_t expert) {
  if (terms.policy == DropPolicy::kNone) {
    return std::numeric_limits<size_t>::max();
  }
  return terms.capacities.empty() ? terms.capacity : terms.capacities[expert];
}

}  // namespace

size_t capacity_of(const CapacityTerms& terms) {
  check(terms);
  const double each = static_cast<double>(terms.num_tokens) / static_cast<double>(terms.num_experts);
  size_t capacity = 0;
  switch (terms.formula) {
    case CapacityFormula::kSwitch:
      capacity = rounded_up(each * terms.factor);
      break;
    case CapacityFormula::kGShard:
      capacity = rounded_up(2 * each * terms.factor);
      break;
    case CapacityFormula::kDeepSpeed:
      capacity = rounded_up(each * terms.factor * static_cast<double>(terms.top_k));
      break;
    case CapacityFormula::kTutel:
      capacity = tutel(terms);
      break;
  }
  return std::max(capacity, terms.min_capacity);
}

Dropped apply_capacity(const DropTerms& terms, std::span<const int64_t> topk_idx, std::span<const float> weights) {
  check(terms, topk_idx, weights);
  Dropped result{.idx = {topk_idx.begin(), topk_idx.end()},
                 .weights = {weights.begin(), weights.end()},
                 .positions = std::vector<int64_t>(topk_idx.size(), -1),
                 .requested = std::vector<size_t>(terms.num_experts, 0),
                 .kept = std::vector<size_t>(terms.num_experts, 0)};
  const auto order = order_of(terms, topk_idx, weights);
  // All first choices come before any second one (GShard, algorithm 1), so one counter per expert serves all choices.
  for (size_t choice = 0; choice < terms.top_k; ++choice) {
    for (const size_t token : order) {
      const size_t at = token * terms.top_k + choice;
      if (topk_idx[at] < 0) {
        continue;
      }
      const auto expert = static_cast<size_t>(topk_idx[at]);
      ++result.requested[expert];
      if (result.kept[expert] < room_of(terms, expert)) {
        result.positions[at] = static_cast<int64_t>(result.kept[expert]++);
      } else {
        result.idx[at] = -1;
        ++result.num_dropped;
      }
    }
  }
  for (size_t at = 0; at < result.weights.size(); ++at) {
    result.weights[at] = result.idx[at] < 0 ? 0.0F : result.weights[at];
  }
  return result;
}

}  // namespace banyan::moe::gate
