// SPDX-License-Identifier: Apache-2.0
#include "moe/gate/dense_to_sparse.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.hpp"
#include "moe/gate/activation.hpp"
#include "moe/gate/random.hpp"
#include "moe/gate/topk.hpp"

namespace banyan::moe::gate {
namespace {

void check_temperature(const char* field, double value) {
  if (!(value > 0) || std::isinf(value)) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                std::string(field) + " is " + text_of(value) + "; it is positive and finite");
  }
}

/// How many of `chosen`, best first, are kept: those of weight threshold or more, at least one.
size_t kept_of(std::span<const size_t> chosen, std::span<const double> weights, double threshold) {
  size_t kept = 1;
  while (kept < chosen.size() && weights[chosen[kept]] >= threshold) {
    ++kept;
  }
  return kept;
}

}  // namespace

double temperature_of(const DenseToSparseTerms& terms) {
  check_temperature("options.start_temperature", terms.start_temperature);
  check_temperature("options.end_temperature", terms.end_temperature);
  if (terms.step >= terms.anneal_steps) {
    return terms.end_temperature;
  }
  const double progress = static_cast<double>(terms.step) / static_cast<double>(terms.anneal_steps);
  return std::exp((1 - progress) * std::log(terms.start_temperature) + progress * std::log(terms.end_temperature));
}

DenseToSparse dense_to_sparse(const Scores& scores, const DenseToSparseTerms& terms) {
  const double temperature = temperature_of(terms);
  check_between("options.top_k", terms.top_k, 1, scores.num_experts, " (num_experts)");
  if (!(terms.threshold >= 0 && terms.threshold <= 1)) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                "options.threshold is " + text_of(terms.threshold) + ", must be between 0 and 1");
  }
  DenseToSparse result{.routing = empty_routing(scores.num_tokens, terms.top_k)};
  std::vector<double> keys(scores.num_experts);
  for (size_t token = 0; token < scores.num_tokens; ++token) {
    for (size_t expert = 0; expert < scores.num_experts; ++expert) {
      const double noise = terms.noisy ? gumbel_at(terms.seed, token, expert) : 0;
      keys[expert] = double{scores.row(token)[expert]} + noise;
    }
    const auto chosen = best_of(keys, all_of(scores.num_experts), terms.top_k);
    auto weights = keys;
    // Less the best before the division, which must not overflow.
    const double best = keys[chosen.front()];
    std::transform(weights.begin(), weights.end(), weights.begin(),
                   [&](double key) { return (key - best) / temperature; });
    softmax(weights);
    const size_t kept = kept_of(chosen, weights, terms.threshold);
    double sum = 0;
    for (size_t choice = 0; choice < kept; ++choice) {
      sum += weights[chosen[choice]];
    }
    for (size_t choice = 0; choice < kept; ++choice) {
      const double weight = weights[chosen[choice]];
      result.routing.idx[token * terms.top_k + choice] = static_cast<int64_t>(chosen[choice]);
      result.routing.weights[token * terms.top_k + choice] =
          static_cast<float>(terms.renormalize ? weight / sum : weight);
    }
    result.used_k = std::max(result.used_k, kept);
  }
  return result;
}

}  // namespace banyan::moe::gate
