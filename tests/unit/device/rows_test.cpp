// SPDX-License-Identifier: Apache-2.0
#include "device/rows.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace banyan::device {
namespace {

/// What 16 bits are worth, from the definition of the formats.
double meaning(Dtype dtype, uint16_t bits) {
  const int fraction_bits = dtype == Dtype::kBf16 ? 7 : 10;
  const int exponent_bits = 15 - fraction_bits;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = (bits >> fraction_bits) & ((1 << exponent_bits) - 1);
  const int fraction = bits & ((1 << fraction_bits) - 1);
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1) {
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : std::nan("");
  }
  return exponent == 0 ? sign * std::ldexp(fraction, 1 - bias - fraction_bits)
                       : sign * std::ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
}

uint16_t stored(Dtype dtype, float value) {
  uint16_t bits = 0;
  store(dtype, std::span(&value, 1), reinterpret_cast<std::byte*>(&bits));
  return bits;
}

class HalfTypes : public ::testing::TestWithParam<Dtype> {};

TEST_P(HalfTypes, EveryPatternThenValueIsThatOfTheFormatAndComesBack) {
  for (uint32_t pattern = 0; pattern < 65536; ++pattern) {
    const auto bits = static_cast<uint16_t>(pattern);
    float value = 0;
    add_scaled(GetParam(), reinterpret_cast<const std::byte*>(&bits), 1, std::span(&value, 1));
    const double expected = meaning(GetParam(), bits);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(value)) << pattern;
      ASSERT_TRUE(std::isnan(meaning(GetParam(), stored(GetParam(), value)))) << pattern;
      continue;
    }
    ASSERT_EQ(static_cast<double>(value), expected) << pattern;
    if (expected != 0) {  // the sum with zero loses the sign of zero
      ASSERT_EQ(stored(GetParam(), value), bits) << pattern;
    }
  }
}

TEST_P(HalfTypes, ValuesBetweenTwoPatternsThenTheNearerTiesToEven) {
  const uint16_t infinity = GetParam() == Dtype::kBf16 ? 0x7F80 : 0x7C00;
  for (uint16_t lower = 0; lower < infinity - 1; ++lower) {
    const auto upper = static_cast<uint16_t>(lower + 1);
    const double low = meaning(GetParam(), lower);
    const double high = meaning(GetParam(), upper);
    const auto middle = static_cast<float>((low + high) / 2);
    ASSERT_EQ(static_cast<double>(middle), (low + high) / 2) << lower;
    ASSERT_EQ(stored(GetParam(), middle), lower % 2 == 0 ? lower : upper) << lower;
    ASSERT_EQ(stored(GetParam(), std::nextafter(middle, 0.0F)), lower) << lower;
    ASSERT_EQ(stored(GetParam(), std::nextafter(middle, std::numeric_limits<float>::infinity())), upper) << lower;
    ASSERT_EQ(stored(GetParam(), -middle), (lower % 2 == 0 ? lower : upper) | 0x8000) << lower;
  }
}

TEST_P(HalfTypes, TooLargeThenInfinity) {
  const uint16_t infinity = GetParam() == Dtype::kBf16 ? 0x7F80 : 0x7C00;
  EXPECT_EQ(stored(GetParam(), std::numeric_limits<float>::max()), infinity);
  EXPECT_EQ(stored(GetParam(), std::numeric_limits<float>::infinity()), infinity);
  EXPECT_EQ(stored(GetParam(), -std::numeric_limits<float>::infinity()), infinity | 0x8000);
  if (GetParam() == Dtype::kFp16) {
    EXPECT_EQ(stored(GetParam(), 65519.0F), 0x7BFF);
    EXPECT_EQ(stored(GetParam(), 65520.0F), infinity);
  }
}

INSTANTIATE_TEST_SUITE_P(Rows, HalfTypes, ::testing::Values(Dtype::kBf16, Dtype::kFp16));

TEST(Rows, LongRowsAtAnyAddressThenSumsAndDotsAreThoseOfTheirElements) {
  constexpr size_t kCount = 777;
  for (const Dtype dtype : {Dtype::kFp32, Dtype::kFp16, Dtype::kBf16}) {
    std::vector<float> values(kCount), others(kCount), sum(kCount, 0.25F);
    for (size_t i = 0; i < kCount; ++i) {
      values[i] = static_cast<float>(i % 61) - 30;
      others[i] = static_cast<float>(i % 7) / 4;
    }
    std::vector<std::byte> memory(2 * (kCount * element_bytes(dtype) + 1));
    std::byte* a = memory.data() + 1;
    std::byte* b = a + kCount * element_bytes(dtype);
    store(dtype, values, a);
    store(dtype, others, b);
    add_scaled(dtype, a, 2, sum);
    double expected_dot = 0;
    for (size_t i = 0; i < kCount; ++i) {
      ASSERT_EQ(sum[i], 0.25F + 2 * values[i]) << i;
      expected_dot += static_cast<double>(values[i]) * static_cast<double>(others[i]);
    }
    EXPECT_EQ(dot(dtype, a, b, kCount), expected_dot);
  }
}

TEST(Rows, AProductThatRoundsThenItsSumIsOfTheRoundedOne) {
  const std::vector<float> row(40, 1 + 0x1p-12F);
  std::vector<float> sum(40, -1 - 0x1p-11F);
  add_scaled(Dtype::kFp32, reinterpret_cast<const std::byte*>(row.data()), 1 + 0x1p-12F, sum);
  EXPECT_EQ(sum, std::vector<float>(40, 0));  // fused it would be 2^-24
}

TEST(Rows, RoundingThenWhatAStoreKeeps) {
  std::vector<float> values = {1.0F / 3, -1e-9F, 70000.0F, 3.14159274F};
  for (const Dtype dtype : {Dtype::kFp32, Dtype::kFp16, Dtype::kBf16}) {
    auto rounded = values;
    round_to(dtype, rounded);
    for (size_t i = 0; i < values.size(); ++i) {
      const double kept = dtype == Dtype::kFp32 ? values[i] : meaning(dtype, stored(dtype, values[i]));
      EXPECT_EQ(static_cast<double>(rounded[i]), kept);
    }
  }
}

TEST(Rows, NothingAtNoAddressThenNothingHappens) {  // undefined behaviour is for the sanitizer to find
  for (const Dtype dtype : {Dtype::kFp32, Dtype::kFp16, Dtype::kBf16}) {
    store(dtype, {}, nullptr);
    add_scaled(dtype, nullptr, 1, {});
    gather_rows(nullptr, {}, 4, nullptr);
    EXPECT_EQ(dot(dtype, nullptr, nullptr, 0), 0);
  }
}

TEST(Rows, AListThenItsRowsInItsOrder) {
  const std::vector<uint16_t> from = {10, 11, 20, 21, 30, 31};
  std::vector<uint16_t> to(8);
  const std::vector<uint32_t> list = {2, 0, 2, 1};
  gather_rows(reinterpret_cast<const std::byte*>(from.data()), list, 4, reinterpret_cast<std::byte*>(to.data()));
  EXPECT_EQ(to, (std::vector<uint16_t>{30, 31, 10, 11, 30, 31, 20, 21}));
}

}  // namespace
}  // namespace banyan::device
