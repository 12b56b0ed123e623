// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "base/error.hpp"
#include "moe/gate/loss.hpp"

namespace banyan::moe::gate {
namespace {

/// The group of a token's choices and the choice with the least weight; num_experts: no choice.
struct Picked {
  size_t group = 0;
  size_t weakest = 0;
};

Picked picked_by(const LossTerms& terms, std::span<const double> row, size_t token) {
  const size_t width = terms.num_experts / terms.num_groups;
  Picked picked{.weakest = terms.num_experts};
  for (size_t choice = 0; choice < terms.top_k; ++choice) {
    const int64_t idx = terms.topk_idx[token * terms.top_k + choice];
    if (idx < 0) {
      continue;
    }
    const auto expert = static_cast<size_t>(idx);
    if (picked.weakest == terms.num_experts) {
      picked = {.group = expert / width, .weakest = expert};
    } else if (expert / width != picked.group) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                  "options.topk_idx[" + std::to_string(token) + ", " + std::to_string(choice) +
                      "] (token, choice) is " + std::to_string(idx) + " of group " + std::to_string(expert / width) +
                      ", but the token's others are of group " + std::to_string(picked.group));
    } else if (row[expert] < row[picked.weakest]) {
      picked.weakest = expert;
    }
  }
  return picked;
}

}  // namespace

Loss z_loss(const LossTerms& terms) {
  Loss loss{.gradient = {terms.scores.begin(), terms.scores.end()}};
  const auto tokens = static_cast<double>(terms.num_tokens);
  for (size_t token = 0; token < terms.num_tokens; ++token) {
    const auto row = std::span(loss.gradient).subspan(token * terms.num_experts, terms.num_experts);
    const double largest = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (const double score : row) {
      sum += std::exp(score - largest);
    }
    const double log_sum = largest + std::log(sum);
    loss.value += log_sum * log_sum / tokens;
    softmax(row);
    for (double& slope : row) {
      slope *= 2 * log_sum / tokens;
    }
  }
  return loss;
}

Loss alignment_loss(const LossTerms& terms) {
  const auto probabilities = probabilities_of(terms);
  const size_t width = terms.num_experts / terms.num_groups;
  const auto tokens = static_cast<double>(terms.num_tokens);
  Loss loss{.gradient = std::vector<double>(probabilities.size(), 0.0)};
  for (size_t token = 0; token < terms.num_tokens; ++token) {
    const auto row = std::span(probabilities).subspan(token * terms.num_experts, terms.num_experts);
    const auto slopes = std::span(loss.gradient).subspan(token * terms.num_experts, terms.num_experts);
    const Picked picked = picked_by(terms, row, token);
    if (picked.weakest == terms.num_experts) {
      continue;
    }
    for (size_t expert = 0; expert < terms.num_experts; ++expert) {
      if (expert / width != picked.group && row[expert] > row[picked.weakest]) {
        loss.value += (row[expert] - row[picked.weakest]) / tokens;
        slopes[expert] += 1 / tokens;
        slopes[picked.weakest] -= 1 / tokens;
      }
    }
  }
  backward(terms, probabilities, loss.gradient);
  return loss;
}

}  // namespace banyan::moe::gate
