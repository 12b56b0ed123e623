// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "layer/layer.hpp"

namespace banyan::perf {

/// The gate's output of a rank: distinct experts for each token, weights that add up to 1. [tokens, top_k].
struct GateOutput {
  std::vector<int64_t> topk_idx;
  std::vector<float> topk_weights;
};

/// Drawn with the layer's seed: by popularity, or so that the expected number of choices of each expert is the rank's
/// row of the layer's targets. Failure: targets that ask for more than a choice of an expert from each token.
[[nodiscard]] GateOutput gate_of(const Layer& layer, int rank);

}  // namespace banyan::perf
