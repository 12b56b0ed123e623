// SPDX-License-Identifier: Apache-2.0
#include "compare/verdict.hpp"

#include <algorithm>

#include "common/statistics.hpp"

namespace banyan::perf {
namespace {

constexpr double kLongExchange_s = 0.1;

bool all_pairs_equal(const Traffic& traffic) {
  return std::adjacent_find(traffic.bytes.begin(), traffic.bytes.end(), std::not_equal_to<>()) == traffic.bytes.end();
}

bool within(uint64_t value, uint64_t low, uint64_t high) { return low <= value && value <= high; }

}  // namespace

const char* name_of(PointKind kind) noexcept {
  switch (kind) {
    case PointKind::kUniform:
      return "uniform";
    case PointKind::kSmallVariable:
      return "small-v";
    case PointKind::kMoe:
      return "moe-v";
    case PointKind::kOther:
      break;
  }
  return "other-v";
}

PointKind kind_of(const Traffic& traffic, const std::string& generator) {
  if (traffic.uniform_bytes) {
    return PointKind::kUniform;
  }
  const uint64_t mean = mean_bytes_per_pair(traffic);
  if (generator.starts_with("moe")) {
    // Generated counts average their target only nearly.
    return within(mean, 64 * 9 / 10, 64 * 1024 * 11 / 10) ? PointKind::kMoe : PointKind::kOther;
  }
  return all_pairs_equal(traffic) && within(mean, 8, 64) ? PointKind::kSmallVariable : PointKind::kOther;
}

std::optional<Bar> bar_of(PointKind kind, double time_s) noexcept {
  switch (kind) {
    case PointKind::kUniform:
      return Bar{1.4, time_s > kLongExchange_s ? 0.90 : 0.92, 0.97};
    case PointKind::kSmallVariable:
      return Bar{2.5, 0, 0};
    case PointKind::kMoe:
      return Bar{1.5, 0.88, 0};
    case PointKind::kOther:
      break;
  }
  return std::nullopt;
}

Verdict judge(PointKind kind, double banyan_s, double best_mpi_s, double bound_s) noexcept {
  Verdict verdict;
  verdict.bar = bar_of(kind, banyan_s);
  verdict.speedup = ratio(best_mpi_s, banyan_s);
  verdict.bound_share = ratio(bound_s, banyan_s);
  if (!verdict.bar) {
    return verdict;
  }
  const Bar& bar = *verdict.bar;
  const bool fast = verdict.speedup >= bar.speedup;
  const bool near_bound = bar.bound_share > 0 && verdict.bound_share >= bar.bound_share;
  const bool too_slow = best_mpi_s > 0 && verdict.speedup < bar.never_below;
  verdict.passed = (fast || near_bound) && !too_slow;
  verdict.beyond_bound = bar.bound_share <= 0 && best_mpi_s / bar.speedup < bound_s;
  return verdict;
}

}  // namespace banyan::perf
