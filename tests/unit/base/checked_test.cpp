// SPDX-License-Identifier: Apache-2.0
#include "base/checked.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstdint>
#include <limits>

namespace banyan::checked {
namespace {

constexpr size_t kMax = std::numeric_limits<size_t>::max();

TEST(CheckedMultiply, ProductThatFitsIsReturned) {
  EXPECT_EQ(multiply(0, kMax), 0U);
  EXPECT_EQ(multiply(kMax, 1), kMax);
  EXPECT_EQ(multiply(size_t{1} << 31, size_t{1} << 32), size_t{1} << 63);
}

TEST(CheckedMultiply, ProductThatOverflowsIsAbsent) {
  EXPECT_EQ(multiply(kMax, 2), std::nullopt);
  EXPECT_EQ(multiply(size_t{1} << 32, size_t{1} << 32), std::nullopt);
}

TEST(CheckedMultiply, AnyFactorsAgreeWithWideArithmetic) {
  EXPECT_TRUE(rc::check([](uint64_t a, uint64_t b) {
    const auto wide = static_cast<__uint128_t>(a) * b;
    const auto result = multiply(a, b);
    RC_ASSERT(result.has_value() == (wide <= kMax));
    RC_ASSERT(result.value_or(0) == (wide <= kMax ? static_cast<size_t>(wide) : 0));
  }));
}

TEST(CheckedAdd, SumThatOverflowsIsAbsent) {
  EXPECT_EQ(add(kMax, 0), kMax);
  EXPECT_EQ(add(kMax, 1), std::nullopt);
  EXPECT_EQ(add(2, 3), 5U);
}

}  // namespace
}  // namespace banyan::checked
