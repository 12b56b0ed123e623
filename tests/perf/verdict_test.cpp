// SPDX-License-Identifier: Apache-2.0
#include "compare/verdict.hpp"

#include <gtest/gtest.h>

namespace banyan::perf {
namespace {

TEST(Kind, UniformAllToAllIsUniform) { EXPECT_EQ(kind_of(uniform_traffic(4, 1 << 20, 1), ""), PointKind::kUniform); }

TEST(Kind, EqualCountsOf8To64BytesAreSmallVariable) {
  EXPECT_EQ(kind_of(uniform_traffic(4, 8, 1, true), ""), PointKind::kSmallVariable);
  EXPECT_EQ(kind_of(uniform_traffic(4, 64, 1, true), ""), PointKind::kSmallVariable);
  EXPECT_EQ(kind_of(uniform_traffic(4, 65, 1, true), ""), PointKind::kOther);
  EXPECT_EQ(kind_of(matrix_traffic(2, {8, 16, 8, 8}, 1), ""), PointKind::kOther);
}

TEST(Kind, MoeShapedCountsAreMoeBetween64BytesAnd64KiB) {
  EXPECT_EQ(kind_of(matrix_traffic(2, {0, 512, 0, 0}, 1), "moe"), PointKind::kMoe);
  EXPECT_EQ(kind_of(matrix_traffic(2, {0, 100, 0, 0}, 1), "moe"), PointKind::kOther);
  EXPECT_EQ(kind_of(matrix_traffic(2, {0, 1 << 20, 0, 0}, 1), "moe"), PointKind::kOther);
}

TEST(Judge, UniformPassesBySpeed) {
  EXPECT_TRUE(judge(PointKind::kUniform, 1e-3, 1.41e-3, 0).passed);
  EXPECT_FALSE(judge(PointKind::kUniform, 1e-3, 1.39e-3, 0.5e-3).passed);
}

TEST(Judge, UniformPassesNearTheBound) {
  EXPECT_TRUE(judge(PointKind::kUniform, 1e-3, 1e-3, 0.93e-3).passed);
  EXPECT_FALSE(judge(PointKind::kUniform, 1e-3, 1e-3, 0.91e-3).passed);
}

TEST(Judge, LongExchangesNeed90PercentOfTheBound) {
  EXPECT_TRUE(judge(PointKind::kUniform, 0.2, 0.2, 0.182).passed);
  EXPECT_FALSE(judge(PointKind::kUniform, 0.2, 0.2, 0.178).passed);
}

TEST(Judge, UniformNeverFallsBelow97PercentEvenNearTheBound) {
  EXPECT_FALSE(judge(PointKind::kUniform, 1e-3, 0.96e-3, 0.95e-3).passed);
  EXPECT_TRUE(judge(PointKind::kUniform, 1e-3, 0.975e-3, 0.95e-3).passed);
}

TEST(Judge, SmallVariableNeeds2AndAHalf) {
  EXPECT_TRUE(judge(PointKind::kSmallVariable, 1e-3, 2.51e-3, 0).passed);
  EXPECT_FALSE(judge(PointKind::kSmallVariable, 1e-3, 2.49e-3, 0.99e-3).passed);
}

TEST(Judge, BarBelowTheBoundIsBeyondIt) {
  const Verdict beyond = judge(PointKind::kSmallVariable, 112e-6, 234e-6, 98e-6);
  EXPECT_TRUE(beyond.beyond_bound);
  EXPECT_FALSE(beyond.passed);
  EXPECT_FALSE(judge(PointKind::kSmallVariable, 112e-6, 250e-6, 98e-6).beyond_bound);
  EXPECT_FALSE(judge(PointKind::kMoe, 112e-6, 120e-6, 98e-6).beyond_bound);  // passed near the bound
}

TEST(Judge, MoeNeeds1AndAHalfOr88Percent) {
  EXPECT_TRUE(judge(PointKind::kMoe, 1e-3, 1.51e-3, 0).passed);
  EXPECT_TRUE(judge(PointKind::kMoe, 1e-3, 1e-3, 0.885e-3).passed);
  EXPECT_FALSE(judge(PointKind::kMoe, 1e-3, 1.49e-3, 0.87e-3).passed);
}

TEST(Judge, NothingMeasuredFailsWithoutDividingByZero) {
  const Verdict verdict = judge(PointKind::kUniform, 0, 0, 0);
  EXPECT_FALSE(verdict.passed);
  EXPECT_EQ(verdict.speedup, 0);
  EXPECT_EQ(verdict.bound_share, 0);
}

TEST(Judge, PointsWithoutABarPassAndHaveNone) {
  const Verdict verdict = judge(PointKind::kOther, 1, 0.1, 0);
  EXPECT_FALSE(verdict.bar);
  EXPECT_TRUE(verdict.passed);
}

}  // namespace
}  // namespace banyan::perf
