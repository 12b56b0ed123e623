// SPDX-License-Identifier: Apache-2.0
#include "moe/gate/bias.hpp"

#include <cmath>
#include <numeric>
#include <string>

#include "base/error.hpp"
#include "moe/gate/scores.hpp"

namespace banyan::moe::gate {

std::vector<float> updated_bias(std::span<const size_t> counts, double rate, std::span<const float> bias) {
  if (!std::isfinite(rate)) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "rate is " + text_of(rate) + "; it is finite");
  }
  const double mean = std::accumulate(counts.begin(), counts.end(), 0.0) / static_cast<double>(counts.size());
  std::vector<float> updated(bias.begin(), bias.end());
  for (size_t expert = 0; expert < updated.size(); ++expert) {
    if (!std::isfinite(bias[expert])) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                  "bias[" + std::to_string(expert) + "] is " + text_of(bias[expert]) + "; biases are finite");
    }
    const auto count = static_cast<double>(counts[expert]);
    const double step = count < mean ? rate : (count > mean ? -rate : 0.0);
    updated[expert] = static_cast<float>(bias[expert] + step);
  }
  return updated;
}

}  // namespace banyan::moe::gate
