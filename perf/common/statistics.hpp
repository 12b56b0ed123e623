// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <vector>

namespace banyan::perf {

/// The value that `fraction` of the samples do not exceed (nearest rank; 0.5 of an even number: the mean of the two in
/// the middle). nullopt without samples. fraction: 0 to 1.
[[nodiscard]] std::optional<double> percentile(std::span<const double> samples, double fraction);

/// percentile(samples, 0.5).
[[nodiscard]] std::optional<double> median(std::span<const double> samples);

/// Standard error of their median as a share of it, from the span of the middle half (0.93 span / sqrt(number): 1.253
/// sigma / sqrt(number), where that span is 1.349 sigma, of normal ones). Infinite without samples or for a median of
/// 0.
[[nodiscard]] double uncertainty_of_median(std::span<const double> samples);

/// times: [num_ranks, num_iterations] row-major. The slowest rank's time of each iteration.
[[nodiscard]] std::vector<double> slowest_rank(std::span<const double> times, size_t num_iterations);

/// numerator / denominator; 0 when the denominator is 0 or either is not finite. For figures to print, never inf or
/// nan.
[[nodiscard]] double ratio(double numerator, double denominator) noexcept;

/// Bandwidth figures of one exchange as nccl-tests defines them; zero for a time of zero.
struct Bandwidth {
  double algorithm_bytes_per_s = 0;
  double bus_bytes_per_s = 0;  ///< algorithm * (n-1)/n: what leaves the rank
};

/// `rank_bytes`: bytes in the busiest rank's buffer, its own block included.
[[nodiscard]] Bandwidth bandwidth(double rank_bytes, double time_s, int num_ranks) noexcept;

}  // namespace banyan::perf
