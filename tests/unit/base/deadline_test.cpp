// SPDX-License-Identifier: Apache-2.0
#include "base/deadline.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace banyan {
namespace {

TEST(Deadline, FutureThenNotPassedAndTimeIsLeft) {
  const Deadline deadline = Deadline::in(1000);
  EXPECT_FALSE(deadline.passed());
  EXPECT_GT(deadline.remaining_s(), 0);
  EXPECT_LE(deadline.remaining_s(), 1000);
  EXPECT_GT(deadline.remaining_ms(), 0);
}

TEST(Deadline, TimePassesThenTheWholeIsWhatItWasMadeWith) {
  EXPECT_EQ(Deadline::in(2).total_s(), 2);
  EXPECT_EQ(Deadline::in(-1).total_s(), 0);
  EXPECT_EQ(Deadline::in(std::numeric_limits<double>::infinity()).total_s(), 1e9);
}

TEST(Deadline, ZeroNegativeOrNanThenPassed) {
  for (const double seconds :
       {0.0, -1.0, -std::numeric_limits<double>::max(), std::numeric_limits<double>::quiet_NaN()}) {
    const Deadline deadline = Deadline::in(seconds);
    EXPECT_TRUE(deadline.passed()) << seconds;
    EXPECT_EQ(deadline.remaining_s(), 0) << seconds;
  }
}

TEST(Deadline, InfiniteThenBoundedAndFitsPoll) {
  const Deadline deadline = Deadline::in(std::numeric_limits<double>::infinity());
  EXPECT_FALSE(deadline.passed());
  EXPECT_LE(deadline.remaining_s(), 1e9);
  EXPECT_EQ(deadline.remaining_ms(), 1000000000);
}

}  // namespace
}  // namespace banyan
