// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace banyan::moe {

constexpr size_t kMostParts = 16;  ///< of a chunk; a power of two

/// Time of a move in `num_parts` equal parts, one behind the other through its stages: the longest stage works without
/// a pause, the others show with one part, and each part costs `per_part_s` beside in each stage.
[[nodiscard]] double predict_parts(std::span<const double> stages_s, double per_part_s, size_t num_parts);

/// The power of two up to `most`, and kMostParts, with the least predicted time; of equal ones the smallest.
[[nodiscard]] size_t choose_parts(std::span<const double> stages_s, double per_part_s, size_t most);

/// By n: the fewest tokens of a chunk that go in 2^(n + 1) parts, where `tokens` tokens have these stages. Ascending;
/// counts that are never reached are left out.
[[nodiscard]] std::vector<size_t> part_thresholds(std::span<const double> stages_s, double per_part_s, size_t tokens);

/// The number of parts of a chunk of so many tokens, by such thresholds.
[[nodiscard]] size_t parts_by(std::span<const size_t> thresholds, size_t tokens);

}  // namespace banyan::moe
