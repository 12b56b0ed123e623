// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace banyan::moe::gate {

/// Whose formula; values are those of banyan_gate_capacity_formula.
enum class CapacityFormula { kSwitch = 0, kGShard = 1, kDeepSpeed = 2, kTutel = 3 };

/// See banyan_gate_capacity_options.
struct CapacityTerms {
  CapacityFormula formula = CapacityFormula::kSwitch;
  size_t num_tokens = 0;
  size_t num_experts = 1;
  size_t top_k = 1;
  double factor = 1;
  size_t min_capacity = 0;
};

/// See banyan_gate_capacity. Error{INVALID_ARGUMENT, LIMIT}.
[[nodiscard]] size_t capacity_of(const CapacityTerms& terms);

/// Whom a full expert turns away; values are those of banyan_gate_drop.
enum class DropPolicy { kPosition = 0, kScore = 1, kRandom = 2, kNone = 3 };

/// See banyan_gate_drop_options. Borrows all arrays.
struct DropTerms {
  size_t num_tokens = 0;
  size_t num_experts = 1;
  size_t top_k = 1;
  size_t capacity = 0;
  std::span<const size_t> capacities{};  ///< [num_experts]; empty: `capacity` each
  DropPolicy policy = DropPolicy::kPosition;
  uint64_t seed = 0;
};

/// What became of the choices.
struct Dropped {
  std::vector<int64_t> idx{};        ///< [num_tokens, top_k]: -1 where a choice was dropped or absent
  std::vector<float> weights{};      ///< as given, but 0 where idx is -1; empty where none were given
  std::vector<int64_t> positions{};  ///< [num_tokens, top_k]: place in the expert's buffer; -1 as in idx
  std::vector<size_t> requested{};   ///< [num_experts]
  std::vector<size_t> kept{};        ///< [num_experts]
  size_t num_dropped = 0;
};

/// See banyan_gate_apply_capacity. `weights`, [num_tokens, top_k], is needed by kScore only and may be empty else.
/// Error{INVALID_ARGUMENT}.
[[nodiscard]] Dropped apply_capacity(const DropTerms& terms, std::span<const int64_t> topk_idx,
                                     std::span<const float> weights);

}  // namespace banyan::moe::gate
