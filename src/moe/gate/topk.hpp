// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "moe/gate/activation.hpp"
#include "moe/gate/scores.hpp"

namespace banyan::moe::gate {

/// How a group of experts is graded; values are those of banyan_gate_group_score.
enum class GroupScore { kMax = 0, kTop2Sum = 1, kSum = 2 };

/// How the second of two choices is made; values are those of banyan_gate_second.
enum class Second { kBest = 0, kByWeight = 1, kGumbel = 2 };

/// See banyan_gate_topk_options. Borrows the bias.
struct TopKTerms {
  size_t top_k = 1;
  Activation activation = Activation::kSoftmax;
  bool renormalize = false;
  double scale = 1;
  std::span<const float> bias{};  ///< [num_experts] or empty
  size_t num_groups = 1;
  size_t top_groups = 1;
  GroupScore group_score = GroupScore::kMax;
  Second second = Second::kBest;
  uint64_t seed = 0;
};

/// See banyan_gate_topk. Error{INVALID_ARGUMENT}.
[[nodiscard]] Routing topk(const Scores& scores, const TopKTerms& terms);

/// Of `candidates`, the `count` with the largest keys, best first, equal keys by index. Keys are indexed by candidate.
[[nodiscard]] std::vector<size_t> best_of(std::span<const double> keys, std::vector<size_t> candidates, size_t count);

/// 0, 1, .. count - 1.
[[nodiscard]] std::vector<size_t> all_of(size_t count);

/// Weights of `chosen` experts of a row under activation, renormalize and scale of `terms`.
[[nodiscard]] std::vector<double> weights_of(std::span<const float> row, std::span<const double> activated_row,
                                             std::span<const size_t> chosen, const TopKTerms& terms);

}  // namespace banyan::moe::gate
