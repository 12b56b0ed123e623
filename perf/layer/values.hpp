// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "layer/layer.hpp"

namespace banyan::perf {

/// The tokens of a rank, [tokens, hidden] of the layer's dtype, of so few significant bits that each holds them.
[[nodiscard]] std::vector<std::byte> tokens_of(const Layer& layer, int rank);

/// What an expert makes of `count` rows, in place: times 1, 2 or 4, which rounds nothing.
void run_expert(const Layer& layer, int expert, std::byte* rows, size_t count);

/// sum[i] += weight * row[i], in fp32; store: rounds `sum` to a row. The loops of banyan/moe.h. sum: [hidden].
void add_row(const Layer& layer, const std::byte* row, float weight, std::vector<float>& sum);
void store_row(const Layer& layer, const std::vector<float>& sum, std::byte* row);

/// Elements of `combined`, [tokens, hidden], that are further from the definition, computed in fp64, than so many
/// roundings to the dtype one after another allow (Way::roundings), and fp32 sums. NaN is wrong. All terms of a sum
/// have one sign, so errors are relative to the sum.
[[nodiscard]] uint64_t count_wrong(const Layer& layer, int rank, const std::vector<std::byte>& combined, int roundings);

}  // namespace banyan::perf
