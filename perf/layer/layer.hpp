// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <banyan/banyan.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "layer/placement.hpp"

namespace banyan::perf {

/// What a Mixture-of-Experts layer is asked to be.
struct LayerTerms {
  int num_experts = 64;  ///< of all ranks
  int top_k = 8;
  size_t hidden = 2048;
  std::string dtype = "bf16";        ///< bf16, fp16 or fp32
  size_t tokens = 512;               ///< of each rank that has any
  double zero_ranks = 0;             ///< part of the ranks that have no tokens, spread evenly; below 1
  double zipf = 0;                   ///< exponent of the experts' popularity; 0: uniform
  std::string placement = "blocks";  ///< or "uneven"
  int replicas = 0;                  ///< experts, the first ones, that are on two ranks
  uint64_t seed = 1;                 ///< of the gates
};

/// A layer over the ranks of a job. A value, equal on all ranks.
struct Layer : LayerTerms {
  int num_ranks = 1;
  int dtype_code = BANYAN_DTYPE_BF16;  ///< a banyan_dtype
  Placement where;
  std::vector<double> targets;  ///< [num_ranks, num_experts] choices that a rank shall send; empty: by popularity

  [[nodiscard]] size_t row_bytes() const { return hidden * (dtype_code == BANYAN_DTYPE_FP32 ? 4 : 2); }
  [[nodiscard]] size_t tokens_of(int rank) const;
};

/// UsageError names the first term that makes no sense.
[[nodiscard]] Layer make_layer(const LayerTerms& terms, int num_ranks);

}  // namespace banyan::perf
