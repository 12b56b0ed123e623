// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "planner/traffic_matrix.hpp"

namespace banyan::planner {

enum class TrafficKind : uint8_t { kUniform, kRandom, kZipf, kMoe, kHot, kZeros, kLocal };

/// A synthetic traffic matrix in words: docs/schedule-ir.md, "Generated traffic". Fields that a kind has no key for are
/// not used by it. Fractions and exponents are fixed-point numbers (times 2^32), so that all platforms agree.
struct TrafficSpec {
  TrafficKind kind = TrafficKind::kUniform;
  std::optional<uint64_t> average_bytes;  ///< mean over all pairs, a rank with itself included
  uint64_t seed = 1;
  uint64_t exponent_q32 = 0;       ///< zipf: s
  uint64_t zero_fraction_q32 = 0;  ///< moe: zeros; zeros: fraction
  int experts = 0;                 ///< moe; 0: 64, or the number of ranks if that is more
  int top_k = 0;                   ///< moe
  int hot_rank = 0;                ///< hot
  int hot_factor = 0;              ///< hot

  bool operator==(const TrafficSpec&) const = default;
};

/// Parses `KIND[:AVERAGE][,KEY=VALUE]...`, e.g. "moe:64k,experts=128,topk=8,zeros=0.3,seed=7"; `default_seed` is used
/// where no seed is given. Error{INVALID_ARGUMENT} names what is wrong and what is known. Any thread.
[[nodiscard]] TrafficSpec parse_traffic_spec(std::string_view text, uint64_t default_seed = 1);

/// The matrix: a function of its arguments alone, in integer arithmetic, equal on all platforms. The sum is exactly
/// average_bytes * num_ranks^2. Error{INVALID_ARGUMENT} if there is no average or a parameter does not fit the number
/// of ranks, Error{LIMIT} beyond kMaxTrafficRanks or if the sum overflows. Any thread.
[[nodiscard]] TrafficMatrix generate_traffic(const TrafficSpec& spec, int num_ranks);

/// One line a kind, for --help.
[[nodiscard]] std::string traffic_spec_help();

}  // namespace banyan::planner
