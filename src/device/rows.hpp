// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

/// What exchanges of tokens do with rows in host memory: gather, convert, sum. Any thread; nothing allocates.
namespace banyan::device {

/// What a row's elements are. bf16 is the upper half of an IEEE-754 binary32, fp16 is binary16.
enum class Dtype : uint8_t { kFp32, kFp16, kBf16, kBytes };

/// 4, 2, 2, 1.
[[nodiscard]] size_t element_bytes(Dtype dtype) noexcept;

/// Copies row list[n] of `from` to row n of `to`, `row_bytes` each.
void gather_rows(const std::byte* from, std::span<const uint32_t> list, size_t row_bytes, std::byte* to) noexcept;

/// sum[i] += weight * row[i] in fp32: one multiplication and one addition, each rounded. `row` has `sum.size()`
/// elements and need not be aligned. kBytes is not summed.
void add_scaled(Dtype dtype, const std::byte* row, float weight, std::span<float> sum) noexcept;

/// row[i] = values[i], rounded to nearest, ties to even. NaN stays NaN; what is too large for the type is infinity.
void store(Dtype dtype, std::span<const float> values, std::byte* row) noexcept;

/// The value that store() keeps of each, as fp32.
void round_to(Dtype dtype, std::span<float> values) noexcept;

/// Sum over i of a[i] * b[i], in fp64, in order of i.
[[nodiscard]] double dot(Dtype dtype, const std::byte* a, const std::byte* b, size_t count) noexcept;

}  // namespace banyan::device
