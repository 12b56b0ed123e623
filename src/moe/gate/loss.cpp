// SPDX-License-Identifier: Apache-2.0
#include "moe/gate/loss.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "base/error.hpp"

namespace banyan::moe::gate {
namespace {

[[nodiscard]] bool needs_choices(LossKind kind) {
  return kind == LossKind::kBalance || kind == LossKind::kTopology || kind == LossKind::kAlignment;
}

[[nodiscard]] bool needs_load(LossKind kind) { return kind == LossKind::kLoad || kind == LossKind::kLoadImportance; }

void check_choices_of(const LossTerms& terms) {
  check_between("options.top_k", terms.top_k, 1, terms.num_experts, " (num_experts)");
  if (terms.topk_idx.empty() && terms.num_tokens > 0) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "options.topk_idx is NULL, but this loss needs the choices");
  }
  check_choices(terms.topk_idx, terms.top_k, terms.num_experts);
}

void check_load_of(const LossTerms& terms) {
  if (terms.num_experts < 2) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "num_experts is 1; the load loss compares experts, of at least 2");
  }
  check_between("options.top_k", terms.top_k, 1, terms.num_experts - 1, " (num_experts - 1)");
  if (!(terms.noise_std > 0) || std::isinf(terms.noise_std)) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                "options.noise_std is " + text_of(terms.noise_std) + "; it is positive and finite");
  }
  for (size_t at = 0; at < terms.noise.size(); ++at) {
    if (!std::isfinite(terms.noise[at])) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT, "options.noise[" + std::to_string(at / terms.num_experts) + ", " +
                                                   std::to_string(at % terms.num_experts) + "] (token, expert) is " +
                                                   text_of(terms.noise[at]) + "; noise is finite");
    }
  }
}

void check_groups_of(const LossTerms& terms) {
  check_between("options.num_groups", terms.num_groups, 1, terms.num_experts, " (num_experts)");
  if (terms.num_experts % terms.num_groups != 0) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "options.num_groups is " + std::to_string(terms.num_groups) +
                                                 ", which does not divide num_experts " +
                                                 std::to_string(terms.num_experts));
  }
}

void check(const LossTerms& terms) {
  if (terms.activation == Activation::kSoftmaxOfChosen) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                "options.activation is BANYAN_GATE_SOFTMAX_OF_CHOSEN; losses are over the weights of all experts");
  }
  if (needs_choices(terms.kind)) {
    check_choices_of(terms);
  }
  if (needs_load(terms.kind)) {
    check_load_of(terms);
  }
  if (terms.kind == LossKind::kAlignment) {
    check_groups_of(terms);
  }
  if (terms.kind == LossKind::kTopology && terms.target.size() != terms.num_experts) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "options.target is NULL; it is this rank's row, [num_experts]");
  }
}

/// Half of each, as Tutel's load_importance_loss.
Loss load_importance_loss(const LossTerms& terms) {
  auto loss = load_loss(terms);
  const auto importance = importance_loss(terms);
  loss.value = (loss.value + importance.value) / 2;
  for (size_t at = 0; at < loss.gradient.size(); ++at) {
    loss.gradient[at] = (loss.gradient[at] + importance.gradient[at]) / 2;
  }
  return loss;
}

/// Of the choices that count, the share of each expert.
std::vector<double> shares_of(const LossTerms& terms) {
  std::vector<double> counts(terms.num_experts, 0.0);
  const size_t counted = terms.first_choice_only ? 1 : terms.top_k;
  for (size_t token = 0; token < terms.num_tokens; ++token) {
    for (size_t choice = 0; choice < counted; ++choice) {
      const int64_t expert = terms.topk_idx[token * terms.top_k + choice];
      if (expert >= 0) {
        ++counts[static_cast<size_t>(expert)];
      }
    }
  }
  for (double& count : counts) {
    count /= static_cast<double>(terms.num_tokens) * static_cast<double>(counted);
  }
  return counts;
}

}  // namespace

std::vector<double> target_weights(std::span<const double> target) {
  for (size_t expert = 0; expert < target.size(); ++expert) {
    if (!(target[expert] > 0) || std::isinf(target[expert])) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT, "options.target[" + std::to_string(expert) + "] is " +
                                                   text_of(target[expert]) +
                                                   "; targets are positive and finite, for the loss divides by them");
    }
  }
  // By the smallest, so that nothing overflows, and equal targets give weights of exactly 1.
  std::vector<double> weights(target.begin(), target.end());
  const double smallest = weights.empty() ? 1 : *std::min_element(weights.begin(), weights.end());
  std::transform(weights.begin(), weights.end(), weights.begin(), [&](double value) { return smallest / value; });
  const double mean = std::accumulate(weights.begin(), weights.end(), 0.0) / static_cast<double>(weights.size());
  for (double& weight : weights) {
    weight /= mean;
  }
  return weights;
}

std::vector<double> probabilities_of(const LossTerms& terms) {
  std::vector<double> values(terms.scores.begin(), terms.scores.end());
  if (terms.activation == Activation::kSigmoid) {
    std::transform(values.begin(), values.end(), values.begin(), sigmoid);
  } else if (terms.activation == Activation::kSoftmax) {
    for (size_t token = 0; token < terms.num_tokens; ++token) {
      softmax(std::span(values).subspan(token * terms.num_experts, terms.num_experts));
    }
  }
  return values;
}

void backward(const LossTerms& terms, std::span<const double> probabilities, std::span<double> gradient) {
  if (terms.activation == Activation::kIdentity) {
    return;
  }
  for (size_t token = 0; token < terms.num_tokens; ++token) {
    const size_t begin = token * terms.num_experts;
    double mean = 0;
    for (size_t at = begin; at < begin + terms.num_experts; ++at) {
      mean += probabilities[at] * gradient[at];
    }
    for (size_t at = begin; at < begin + terms.num_experts; ++at) {
      const double p = probabilities[at];
      gradient[at] = terms.activation == Activation::kSigmoid ? p * (1 - p) * gradient[at] : p * (gradient[at] - mean);
    }
  }
}

Loss balance_loss(const LossTerms& terms, std::span<const double> weights) {
  const auto shares = shares_of(terms);
  const auto probabilities = probabilities_of(terms);
  const auto tokens = static_cast<double>(terms.num_tokens);
  const auto experts = static_cast<double>(terms.num_experts);
  Loss loss{.gradient = std::vector<double>(terms.scores.size())};
  for (size_t expert = 0; expert < terms.num_experts; ++expert) {
    double mean = 0;
    for (size_t token = 0; token < terms.num_tokens; ++token) {
      mean += probabilities[token * terms.num_experts + expert];
      loss.gradient[token * terms.num_experts + expert] = experts * weights[expert] * shares[expert] / tokens;
    }
    loss.value += experts * weights[expert] * shares[expert] * (mean / tokens);
  }
  backward(terms, probabilities, loss.gradient);
  return loss;
}

Loss loss_of(const LossTerms& terms) {
  check(terms);
  const auto weights =
      terms.kind == LossKind::kTopology ? target_weights(terms.target) : std::vector<double>(terms.num_experts, 1.0);
  if (terms.num_tokens == 0) {
    return {};
  }
  switch (terms.kind) {
    case LossKind::kBalance:
    case LossKind::kTopology:
      return balance_loss(terms, weights);
    case LossKind::kImportance:
      return importance_loss(terms);
    case LossKind::kLoad:
      return load_loss(terms);
    case LossKind::kLoadImportance:
      return load_importance_loss(terms);
    case LossKind::kZ:
      return z_loss(terms);
    case LossKind::kAlignment:
      break;
  }
  return alignment_loss(terms);
}

}  // namespace banyan::moe::gate
