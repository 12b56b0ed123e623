// SPDX-License-Identifier: Apache-2.0
#include "device/rows.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace banyan::device {
namespace {

/// Elements are converted in pieces of this many, in loops that compilers vectorise.
constexpr size_t kPiece = 256;

float from_bf16(uint16_t value) noexcept { return std::bit_cast<float>(static_cast<uint32_t>(value) << 16); }

uint16_t to_bf16(float value) noexcept {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  const uint32_t quiet = (bits >> 16) | 0x40;  // of a NaN, which rounding could make an infinity
  return static_cast<uint16_t>((bits & 0x7FFFFFFF) > 0x7F800000 ? quiet : rounded);
}

float from_fp16(uint16_t value) noexcept {
  const uint32_t sign = static_cast<uint32_t>(value & 0x8000) << 16;
  const uint32_t magnitude = value & 0x7FFF;
  // Exponent and fraction where binary32 has them, then the difference of the biases by a power of two: exact, also for
  // subnormals. Infinity and NaN have an exponent of all ones.
  const float scaled = std::bit_cast<float>(magnitude << 13) * 0x1p112F;
  const uint32_t special = magnitude >= 0x7C00 ? 0x7F800000 : 0;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(scaled) | special | sign);
}

uint16_t to_fp16(float value) noexcept {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000;
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  // Below the smallest normal number the sum with 0.5 has a last bit worth 2^-24, binary16's smallest number.
  const float sum = std::bit_cast<float>(magnitude) + 0.5F;
  const uint32_t subnormal = std::bit_cast<uint32_t>(sum) - 0x3F000000;
  const uint32_t normal = (magnitude - 0x38000000 + 0xFFF + ((magnitude >> 13) & 1)) >> 13;
  uint32_t result = magnitude < 0x38800000 ? subnormal : normal;
  result = magnitude >= 0x47800000 ? 0x7C00 : result;  // 65536 and more; from 65520 on, rounding gets there by itself
  result = magnitude > 0x7F800000 ? 0x7E00 : result;
  return static_cast<uint16_t>(sign | result);
}

template <typename Stored>
Stored load(const std::byte* row, size_t index) noexcept {
  Stored value;
  std::memcpy(&value, row + index * sizeof value, sizeof value);
  return value;
}

/// Calls use(first, values) for pieces of the row as fp32.
template <typename Use>
void for_pieces(Dtype dtype, const std::byte* row, size_t count, Use use) noexcept {
  float values[kPiece];
  for (size_t first = 0; first < count; first += kPiece) {
    const size_t here = std::min(kPiece, count - first);
    if (dtype == Dtype::kFp32) {
      std::memcpy(values, row + first * sizeof(float), here * sizeof(float));
    } else if (dtype == Dtype::kBf16) {
      for (size_t i = 0; i < here; ++i) {
        values[i] = from_bf16(load<uint16_t>(row, first + i));
      }
    } else {
      for (size_t i = 0; i < here; ++i) {
        values[i] = from_fp16(load<uint16_t>(row, first + i));
      }
    }
    use(first, std::span<const float>(values, here));
  }
}

}  // namespace

size_t element_bytes(Dtype dtype) noexcept {
  switch (dtype) {
    case Dtype::kFp32:
      return 4;
    case Dtype::kFp16:
    case Dtype::kBf16:
      return 2;
    case Dtype::kBytes:
      break;
  }
  return 1;
}

void gather_rows(const std::byte* from, std::span<const uint32_t> list, size_t row_bytes, std::byte* to) noexcept {
  for (size_t n = 0; n < list.size(); ++n) {
    std::memcpy(to + n * row_bytes, from + list[n] * row_bytes, row_bytes);
  }
}

void add_scaled(Dtype dtype, const std::byte* row, float weight, std::span<float> sum) noexcept {
  for_pieces(dtype, row, sum.size(), [&](size_t first, std::span<const float> values) {
    float* out = sum.data() + first;
    for (size_t i = 0; i < values.size(); ++i) {
      out[i] += weight * values[i];
    }
  });
}

void store(Dtype dtype, std::span<const float> values, std::byte* row) noexcept {
  if (dtype == Dtype::kFp32) {
    if (!values.empty()) {  // memcpy takes no null pointers, not even for nothing
      std::memcpy(row, values.data(), values.size_bytes());
    }
    return;
  }
  uint16_t stored[kPiece];
  for (size_t first = 0; first < values.size(); first += kPiece) {
    const size_t here = std::min(kPiece, values.size() - first);
    if (dtype == Dtype::kBf16) {
      std::transform(values.data() + first, values.data() + first + here, stored, to_bf16);
    } else {
      std::transform(values.data() + first, values.data() + first + here, stored, to_fp16);
    }
    std::memcpy(row + first * sizeof(uint16_t), stored, here * sizeof(uint16_t));
  }
}

void round_to(Dtype dtype, std::span<float> values) noexcept {
  if (dtype == Dtype::kBf16) {
    std::transform(values.begin(), values.end(), values.begin(), [](float value) { return from_bf16(to_bf16(value)); });
  } else if (dtype == Dtype::kFp16) {
    std::transform(values.begin(), values.end(), values.begin(), [](float value) { return from_fp16(to_fp16(value)); });
  }
}

double dot(Dtype dtype, const std::byte* a, const std::byte* b, size_t count) noexcept {
  double sum = 0;
  for_pieces(dtype, a, count, [&](size_t first, std::span<const float> left) {
    for_pieces(dtype, b + first * element_bytes(dtype), left.size(), [&](size_t, std::span<const float> right) {
      for (size_t i = 0; i < right.size(); ++i) {
        sum += static_cast<double>(left[i]) * static_cast<double>(right[i]);
      }
    });
  });
  return sum;
}

}  // namespace banyan::device
