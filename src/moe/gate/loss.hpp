// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "moe/gate/activation.hpp"
#include "moe/gate/scores.hpp"

namespace banyan::moe::gate {

/// Which loss; values are those of banyan_gate_loss_kind.
enum class LossKind {
  kBalance = 0,
  kTopology = 1,
  kImportance = 2,
  kLoad = 3,
  kLoadImportance = 4,
  kZ = 5,
  kAlignment = 6
};

/// See banyan_gate_loss_options. Borrows all arrays. Scores are double here, so that finite differences can be taken.
struct LossTerms {
  LossKind kind = LossKind::kBalance;
  std::span<const double> scores{};  ///< [num_tokens, num_experts]
  size_t num_tokens = 0;
  size_t num_experts = 1;
  Activation activation = Activation::kSoftmax;
  std::span<const int64_t> topk_idx{};  ///< [num_tokens, top_k]
  size_t top_k = 1;
  bool first_choice_only = false;
  std::span<const double> target{};  ///< [num_experts]
  size_t num_groups = 1;
  std::span<const float> noise{};  ///< [num_tokens, num_experts] or empty
  double noise_std = 0;
  bool unbiased = false;
  bool shared_threshold = false;
};

/// A loss and its gradient with respect to the scores, [num_tokens, num_experts].
struct Loss {
  double value = 0;
  std::vector<double> gradient{};
};

/// See banyan_gate_loss. Error{INVALID_ARGUMENT}.
[[nodiscard]] Loss loss_of(const LossTerms& terms);

/// Weights proportional to 1 / target, of mean 1: what multiplies each expert's term of the balance loss. All 1,
/// exactly, for a uniform target. Error{INVALID_ARGUMENT}: an entry that is not positive and finite.
[[nodiscard]] std::vector<double> target_weights(std::span<const double> target);

// The parts, called with checked terms and at least one token.
[[nodiscard]] Loss balance_loss(const LossTerms& terms, std::span<const double> weights);
[[nodiscard]] Loss importance_loss(const LossTerms& terms);
[[nodiscard]] Loss load_loss(const LossTerms& terms);
[[nodiscard]] Loss z_loss(const LossTerms& terms);
[[nodiscard]] Loss alignment_loss(const LossTerms& terms);

/// The activated scores, [num_tokens, num_experts].
[[nodiscard]] std::vector<double> probabilities_of(const LossTerms& terms);

/// Turns, in place, the gradient with respect to the activated scores into the one with respect to the scores.
void backward(const LossTerms& terms, std::span<const double> probabilities, std::span<double> gradient);

}  // namespace banyan::moe::gate
