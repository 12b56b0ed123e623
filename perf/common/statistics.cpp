// SPDX-License-Identifier: Apache-2.0
#include "common/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace banyan::perf {

std::optional<double> percentile(std::span<const double> samples, double fraction) {
  if (samples.empty()) {
    return std::nullopt;
  }
  std::vector<double> sorted(samples.begin(), samples.end());
  std::sort(sorted.begin(), sorted.end());
  const size_t size = sorted.size();
  if (fraction == 0.5 && size % 2 == 0) {
    return (sorted[size / 2 - 1] + sorted[size / 2]) / 2;
  }
  const double rank = std::ceil(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(size));
  return sorted[std::min(size - 1, static_cast<size_t>(std::max(rank, 1.0)) - 1)];
}

std::optional<double> median(std::span<const double> samples) { return percentile(samples, 0.5); }

double uncertainty_of_median(std::span<const double> samples) {
  const double middle = median(samples).value_or(0);
  if (middle == 0) {
    return std::numeric_limits<double>::infinity();
  }
  const double span = *percentile(samples, 0.75) - *percentile(samples, 0.25);
  return 0.93 * span / middle / std::sqrt(static_cast<double>(samples.size()));
}

std::vector<double> slowest_rank(std::span<const double> times, size_t num_iterations) {
  std::vector<double> slowest(num_iterations, 0.0);
  for (size_t i = 0; num_iterations != 0 && i < times.size(); ++i) {
    slowest[i % num_iterations] = std::max(slowest[i % num_iterations], times[i]);
  }
  return slowest;
}

double ratio(double numerator, double denominator) noexcept {
  const double value = denominator == 0 ? 0 : numerator / denominator;
  return std::isfinite(value) ? value : 0;
}

Bandwidth bandwidth(double rank_bytes, double time_s, int num_ranks) noexcept {
  const double algorithm = ratio(rank_bytes, time_s);
  const double share = num_ranks > 0 ? static_cast<double>(num_ranks - 1) / num_ranks : 0;
  return {algorithm, algorithm * share};
}

}  // namespace banyan::perf
