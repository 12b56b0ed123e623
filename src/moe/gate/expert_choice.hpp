// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "moe/gate/activation.hpp"
#include "moe/gate/scores.hpp"

namespace banyan::moe::gate {

/// See banyan_gate_expert_choice_options.
struct ExpertChoiceTerms {
  size_t capacity = 1;
  size_t top_k = 1;  ///< most experts that a token may have
  Activation activation = Activation::kSoftmax;
};

/// The same choices by expert and by token.
struct ExpertChoice {
  std::vector<int64_t> tokens{};  ///< [num_experts, capacity]: tokens, best first; -1: given up
  std::vector<float> weights{};   ///< as tokens
  Routing routing{};              ///< [num_tokens, top_k]: experts of each token, largest weight first
  size_t most_choices = 0;        ///< of one token, before any was given up
  size_t num_given_up = 0;        ///< because a token was chosen by more than top_k experts
};

/// See banyan_gate_expert_choice. Error{INVALID_ARGUMENT, LIMIT}.
[[nodiscard]] ExpertChoice expert_choice(const Scores& scores, const ExpertChoiceTerms& terms);

}  // namespace banyan::moe::gate
