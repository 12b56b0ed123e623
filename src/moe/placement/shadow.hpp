// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace banyan::moe {

enum class ShadowPolicy { kPaper, kFastmoe };

/// See banyan_shadow_config, whose defaults these are. Borrows all.
struct ShadowTerms {
  int num_ranks = 0;
  int num_experts = 0;
  std::span<const int64_t> counts;  ///< [ranks, experts]
  std::span<const int> owner;       ///< [experts], or empty
  size_t hidden = 0;
  double alpha = 2;
  double flops_per_s = 0;
  double bandwidth_bytes_per_s = 0;
  size_t element_size = 4;
  ShadowPolicy policy = ShadowPolicy::kPaper;
};

struct ShadowDecision {
  std::vector<bool> shadowed;  ///< [experts]
  double time_before_s = 0;
  double time_after_s = 0;
  int64_t max_before = 0;
  int64_t max_after = 0;
};

/// What one token and one expert cost, in seconds; forward and backward.
struct ShadowCosts {
  double compute_s = 0;   ///< of a token: 3 * 4 alpha H^2 / P, once forward and twice backward
  double transfer_s = 0;  ///< of a token: 4 H s / W, there and back, forward and backward
  double weights_s = 0;   ///< of an expert, one way: 2 alpha H^2 s / W
};

[[nodiscard]] ShadowCosts shadow_costs(const ShadowTerms& terms);

/// See banyan_shadow_decide. Errors as there.
[[nodiscard]] ShadowDecision decide_shadows(const ShadowTerms& terms);

}  // namespace banyan::moe
