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

std::vector<size_t> part_thresholds(std::span<const double> stages_s, double per_part_s, size_t tokens) {
  const auto parts_of = [&](size_t some) {
    std::vector<double> scaled(stages_s.begin(), stages_s.end());
    for (double& seconds : scaled) {
      seconds *= static_cast<double>(some) / static_cast<double>(tokens);
    }
    return choose_parts(scaled, per_part_s, some);
  };
  std::vector<size_t> thresholds;
  const size_t most = parts_of(tokens);
  for (size_t parts = 2; parts <= most; parts *= 2) {  // more tokens never go in fewer parts
    size_t below = 0;
    size_t enough = tokens;
    while (enough - below > 1) {
      const size_t middle = below + (enough - below) / 2;
      (parts_of(middle) >= parts ? enough : below) = middle;
    }
    thresholds.push_back(enough);
  }
  return thresholds;
}

size_t parts_by(std::span<const size_t> thresholds, size_t tokens) {
  return size_t{1} << static_cast<size_t>(std::upper_bound(thresholds.begin(), thresholds.end(), tokens) -
                                          thresholds.begin());
}

}  // namespace banyan::moe
