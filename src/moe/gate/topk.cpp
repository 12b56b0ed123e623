// SPDX-License-Identifier: Apache-2.0
#include "moe/gate/topk.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "base/error.hpp"
#include "moe/gate/random.hpp"

namespace banyan::moe::gate {
namespace {

void check_bias(std::span<const float> bias, size_t num_experts) {
  BANYAN_CHECK(bias.empty() || bias.size() == num_experts, std::to_string(bias.size()));
  for (size_t expert = 0; expert < bias.size(); ++expert) {
    if (!std::isfinite(bias[expert])) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                  "options.bias[" + std::to_string(expert) + "] is " + text_of(bias[expert]) + "; biases are finite");
    }
  }
}

void check(const Scores& scores, const TopKTerms& terms) {
  check_between("options.num_groups", terms.num_groups, 1, scores.num_experts, " (num_experts)");
  if (scores.num_experts % terms.num_groups != 0) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "options.num_groups is " + std::to_string(terms.num_groups) +
                                                 ", which does not divide num_experts " +
                                                 std::to_string(scores.num_experts));
  }
  check_between("options.top_groups", terms.top_groups, 1, terms.num_groups, " (num_groups)");
  check_between("options.top_k", terms.top_k, 1, terms.top_groups * (scores.num_experts / terms.num_groups),
                " (the experts of top_groups groups)");
  if (terms.second != Second::kBest && terms.top_k != 2) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                "options.second is for two choices, but options.top_k is " + std::to_string(terms.top_k));
  }
  if (!std::isfinite(terms.scale)) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "options.scale is " + text_of(terms.scale) + "; it is finite");
  }
  check_bias(terms.bias, scores.num_experts);
}

double grade(std::span<const double> keys, GroupScore how) {
  switch (how) {
    case GroupScore::kMax:
      return *std::max_element(keys.begin(), keys.end());
    case GroupScore::kSum:
      return std::accumulate(keys.begin(), keys.end(), 0.0);
    case GroupScore::kTop2Sum:
      break;
  }
  std::vector<double> sorted(keys.begin(), keys.end());
  const size_t two = std::min<size_t>(2, sorted.size());
  std::partial_sort(sorted.begin(), sorted.begin() + static_cast<ptrdiff_t>(two), sorted.end(), std::greater<>());
  return std::accumulate(sorted.begin(), sorted.begin() + static_cast<ptrdiff_t>(two), 0.0);
}

/// Experts of the best groups, ascending.
std::vector<size_t> candidates_of(std::span<const double> graded, const TopKTerms& terms) {
  if (terms.top_groups == terms.num_groups) {
    return all_of(graded.size());
  }
  const size_t width = graded.size() / terms.num_groups;
  std::vector<double> grades(terms.num_groups);
  for (size_t group = 0; group < terms.num_groups; ++group) {
    grades[group] = grade(graded.subspan(group * width, width), terms.group_score);
  }
  std::vector<size_t> experts;
  for (const size_t group : best_of(grades, all_of(terms.num_groups), terms.top_groups)) {
    for (size_t expert = group * width; expert < (group + 1) * width; ++expert) {
      experts.push_back(expert);
    }
  }
  std::sort(experts.begin(), experts.end());
  return experts;
}

/// DeepSpeed's second expert: the best of the others after Gumbel noise.
size_t gumbel_second(std::span<const double> keys, const std::vector<size_t>& candidates, size_t first,
                     const TopKTerms& terms, size_t token) {
  std::vector<double> noisy(keys.begin(), keys.end());
  std::vector<size_t> others;
  for (const size_t expert : candidates) {
    if (expert != first) {
      noisy[expert] += gumbel_at(terms.seed, token, expert);
      others.push_back(expert);
    }
  }
  return best_of(noisy, others, 1).front();
}

void route(const Scores& scores, const TopKTerms& terms, size_t token, Routing& routing) {
  const auto row = scores.row(token);
  const auto probabilities = activated(row, terms.activation);
  // Scores, not weights, are compared where they can be: weights may underflow to equal zeros.
  std::vector<double> keys(row.begin(), row.end());
  std::vector<double> graded = probabilities;
  if (!terms.bias.empty()) {
    std::transform(graded.begin(), graded.end(), terms.bias.begin(), graded.begin(), std::plus<>());
    keys = graded;
  }
  const auto candidates = candidates_of(graded, terms);
  auto chosen = best_of(keys, candidates, terms.top_k);
  if (terms.second == Second::kGumbel) {
    chosen[1] = gumbel_second(keys, candidates, chosen[0], terms, token);
  }
  const auto weights = weights_of(row, probabilities, chosen, terms);
  for (size_t choice = 0; choice < terms.top_k; ++choice) {
    routing.idx[token * terms.top_k + choice] = static_cast<int64_t>(chosen[choice]);
    routing.weights[token * terms.top_k + choice] = static_cast<float>(weights[choice]);
  }
  if (terms.second == Second::kByWeight) {
    const double both = probabilities[chosen[0]] + probabilities[chosen[1]];
    const double share = both > 0 ? probabilities[chosen[1]] / both : 0;
    if (!(2 * share > uniform_at(terms.seed, token, 0))) {
      routing.idx[token * 2 + 1] = -1;
      routing.weights[token * 2 + 1] = 0;
    }
  }
}

}  // namespace

std::vector<size_t> all_of(size_t count) {
  std::vector<size_t> indices(count);
  std::iota(indices.begin(), indices.end(), size_t{0});
  return indices;
}

std::vector<size_t> best_of(std::span<const double> keys, std::vector<size_t> candidates, size_t count) {
  const auto end = candidates.begin() + static_cast<ptrdiff_t>(std::min(count, candidates.size()));
  std::partial_sort(candidates.begin(), end, candidates.end(),
                    [&](size_t a, size_t b) { return keys[a] > keys[b] || (keys[a] == keys[b] && a < b); });
  candidates.erase(end, candidates.end());
  return candidates;
}

std::vector<double> weights_of(std::span<const float> row, std::span<const double> activated_row,
                               std::span<const size_t> chosen, const TopKTerms& terms) {
  std::vector<double> weights;
  for (const size_t expert : chosen) {
    weights.push_back(terms.activation == Activation::kSoftmaxOfChosen ? double{row[expert]} : activated_row[expert]);
  }
  if (terms.activation == Activation::kSoftmaxOfChosen) {
    softmax(weights);
  }
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (double& weight : weights) {
    weight = (terms.renormalize && sum != 0 ? weight / sum : weight) * terms.scale;
  }
  return weights;
}

Routing topk(const Scores& scores, const TopKTerms& terms) {
  check(scores, terms);
  auto routing = empty_routing(scores.num_tokens, terms.top_k);
  for (size_t token = 0; token < scores.num_tokens; ++token) {
    route(scores, terms, token, routing);
  }
  return routing;
}

}  // namespace banyan::moe::gate
