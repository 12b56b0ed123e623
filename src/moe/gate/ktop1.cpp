// SPDX-License-Identifier: Apache-2.0
#include "moe/gate/ktop1.hpp"

#include <algorithm>
#include <numeric>
#include <string>

#include "base/error.hpp"
#include "moe/gate/activation.hpp"

namespace banyan::moe::gate {

Routing ktop1(const Scores& scores, size_t num_prototypes, bool renormalize) {
  check_between("options.num_prototypes", num_prototypes, 1, scores.num_experts, " (num_experts)");
  if (scores.num_experts % num_prototypes != 0) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "options.num_prototypes is " + std::to_string(num_prototypes) +
                                                 ", which does not divide num_experts " +
                                                 std::to_string(scores.num_experts));
  }
  const size_t width = scores.num_experts / num_prototypes;
  auto routing = empty_routing(scores.num_tokens, num_prototypes);
  std::vector<double> weights(num_prototypes);
  for (size_t token = 0; token < scores.num_tokens; ++token) {
    for (size_t prototype = 0; prototype < num_prototypes; ++prototype) {
      const auto range = scores.row(token).subspan(prototype * width, width);
      const auto best = static_cast<size_t>(std::max_element(range.begin(), range.end()) - range.begin());
      routing.idx[token * num_prototypes + prototype] = static_cast<int64_t>(prototype * width + best);
      weights[prototype] = activated(range, Activation::kSoftmax)[best];
    }
    const double sum = renormalize ? std::accumulate(weights.begin(), weights.end(), 0.0) : 1;
    for (size_t prototype = 0; prototype < num_prototypes; ++prototype) {
      routing.weights[token * num_prototypes + prototype] = static_cast<float>(weights[prototype] / sum);
    }
  }
  return routing;
}

}  // namespace banyan::moe::gate
