// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/part_choice.hpp"

#include <algorithm>
#include <numeric>

namespace banyan::moe {

double predict_parts(std::span<const double> stages_s, double per_part_s, size_t num_parts) {
  const double sum = std::accumulate(stages_s.begin(), stages_s.end(), 0.0);
  const double longest = stages_s.empty() ? 0 : *std::max_element(stages_s.begin(), stages_s.end());
  const auto parts = static_cast<double>(num_parts);
  const double turns = parts + static_cast<double>(std::max<size_t>(1, stages_s.size())) - 1;
  return longest + (sum - longest) / parts + turns * per_part_s;
}

size_t choose_parts(std::span<const double> stages_s, double per_part_s, size_t most) {
  size_t best = 1;
  for (size_t parts = 2; parts <= std::min(most, kMostParts); parts *= 2) {
    if (predict_parts(stages_s, per_part_s, parts) < predict_parts(stages_s, per_part_s, best)) {
      best = parts;
    }
  }
  return best;
}

}  // namespace banyan::moe
