// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

namespace banyan::moe {

constexpr size_t kMostParts = 16;  ///< of a chunk; a power of two

/// Time of a move in `num_parts` equal parts, one behind the other through its stages: the longest stage works without
/// a pause, the others show with one part, and each part costs `per_part_s` beside in each stage.
[[nodiscard]] double predict_parts(std::span<const double> stages_s, double per_part_s, size_t num_parts);

/// The power of two up to `most`, and kMostParts, with the least predicted time; of equal ones the smallest.
[[nodiscard]] size_t choose_parts(std::span<const double> stages_s, double per_part_s, size_t most);

}  // namespace banyan::moe
