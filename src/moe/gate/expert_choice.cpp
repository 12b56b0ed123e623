// SPDX-License-Identifier: Apache-2.0
#include "moe/gate/expert_choice.hpp"

#include <algorithm>
#include <string>

#include "base/error.hpp"
#include "moe/gate/topk.hpp"

namespace banyan::moe::gate {
namespace {

/// A choice as its token sees it.
struct Offer {
  size_t expert = 0;
  size_t slot = 0;
  double weight = 0;
};

void check(const Scores& scores, const ExpertChoiceTerms& terms) {
  if (terms.activation == Activation::kSoftmaxOfChosen) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                "options.activation is BANYAN_GATE_SOFTMAX_OF_CHOSEN; experts choose after the activation");
  }
  check_between("options.top_k", terms.top_k, 1, scores.num_experts, " (num_experts)");
  if (scores.num_tokens > 0) {
    check_between("options.capacity", terms.capacity, 1, scores.num_tokens, " (num_tokens)");
  }
}

/// The transpose of the weights: [num_experts, num_tokens].
std::vector<double> columns_of(const Scores& scores, Activation activation) {
  std::vector<double> columns(scores.values.size());
  for (size_t token = 0; token < scores.num_tokens; ++token) {
    const auto row = activated(scores.row(token), activation);
    for (size_t expert = 0; expert < scores.num_experts; ++expert) {
      columns[expert * scores.num_tokens + token] = row[expert];
    }
  }
  return columns;
}

/// Writes the best offers of a token into its row, and takes the others back.
void settle(std::vector<Offer>& offers, size_t token, size_t capacity, ExpertChoice& result) {
  std::stable_sort(offers.begin(), offers.end(), [](const Offer& a, const Offer& b) { return a.weight > b.weight; });
  const size_t top_k = result.routing.top_k;
  result.most_choices = std::max(result.most_choices, offers.size());
  for (size_t choice = 0; choice < offers.size(); ++choice) {
    const Offer& offer = offers[choice];
    if (choice < top_k) {
      result.routing.idx[token * top_k + choice] = static_cast<int64_t>(offer.expert);
      result.routing.weights[token * top_k + choice] = static_cast<float>(offer.weight);
    } else {
      result.tokens[offer.expert * capacity + offer.slot] = -1;
      result.weights[offer.expert * capacity + offer.slot] = 0;
      ++result.num_given_up;
    }
  }
}

}  // namespace

ExpertChoice expert_choice(const Scores& scores, const ExpertChoiceTerms& terms) {
  check(scores, terms);
  const size_t slots = area(scores.num_experts, terms.capacity, "num_experts * options.capacity");
  ExpertChoice result{.tokens = std::vector<int64_t>(slots, -1),
                      .weights = std::vector<float>(slots, 0.0F),
                      .routing = empty_routing(scores.num_tokens, terms.top_k)};
  if (scores.num_tokens == 0) {
    return result;
  }
  const auto columns = columns_of(scores, terms.activation);
  std::vector<std::vector<Offer>> offers(scores.num_tokens);
  for (size_t expert = 0; expert < scores.num_experts; ++expert) {
    const auto column = std::span(columns).subspan(expert * scores.num_tokens, scores.num_tokens);
    const auto best = best_of(column, all_of(scores.num_tokens), terms.capacity);
    for (size_t slot = 0; slot < best.size(); ++slot) {
      offers[best[slot]].push_back({.expert = expert, .slot = slot, .weight = column[best[slot]]});
      result.tokens[expert * terms.capacity + slot] = static_cast<int64_t>(best[slot]);
      result.weights[expert * terms.capacity + slot] = static_cast<float>(column[best[slot]]);
    }
  }
  for (size_t token = 0; token < scores.num_tokens; ++token) {
    settle(offers[token], token, terms.capacity, result);
  }
  return result;
}

}  // namespace banyan::moe::gate
