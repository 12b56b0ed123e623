// SPDX-License-Identifier: Apache-2.0
#include "common/statistics.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace banyan::perf {
namespace {

TEST(Median, OddCountIsTheMiddleValue) { EXPECT_EQ(median(std::vector<double>{5, 1, 3}), 3); }

TEST(Median, EvenCountIsTheMeanOfTheMiddleTwo) { EXPECT_EQ(median(std::vector<double>{4, 1, 3, 2}), 2.5); }

TEST(Median, NoSamplesHaveNone) { EXPECT_FALSE(median({})); }

TEST(UncertaintyOfMedian, ShrinksWithSamplesAndGrowsWithTheirSpan) {
  EXPECT_EQ(uncertainty_of_median(std::vector<double>{2, 2, 2}), 0);
  EXPECT_TRUE(std::isinf(uncertainty_of_median({})));
  const std::vector<double> few = {9, 9, 10, 11, 11};
  EXPECT_NEAR(uncertainty_of_median(few), 0.93 * 2 / 10 / std::sqrt(5), 1e-12);
  std::vector<double> many;
  for (int i = 0; i < 4; ++i) {
    many.insert(many.end(), few.begin(), few.end());
  }
  EXPECT_NEAR(uncertainty_of_median(many), uncertainty_of_median(few) / 2, 1e-12);
}

TEST(Percentile, NearestRank) {
  std::vector<double> samples(100);
  for (size_t i = 0; i < samples.size(); ++i) {
    samples[i] = static_cast<double>(100 - i);
  }
  EXPECT_EQ(percentile(samples, 0.99), 99);
  EXPECT_EQ(percentile(samples, 1.0), 100);
  EXPECT_EQ(percentile(samples, 0.0), 1);
}

TEST(Percentile, OfOneSampleIsThatSample) {
  for (const double fraction : {0.0, 0.5, 0.99, 1.0}) {
    EXPECT_EQ(percentile(std::vector<double>{7}, fraction), 7);
  }
}

TEST(Percentile, LiesBetweenSmallestAndLargestAndGrows) {
  EXPECT_TRUE(rc::check("ordered by fraction", [] {
    const auto samples = *rc::gen::nonEmpty(rc::gen::container<std::vector<double>>(
        rc::gen::map(rc::gen::inRange(-1000000, 1000000), [](int v) { return v / 16.0; })));
    const auto p50 = median(samples);
    const auto p99 = percentile(samples, 0.99);
    RC_ASSERT(*std::min_element(samples.begin(), samples.end()) <= *p50);
    RC_ASSERT(*p50 <= *p99);
    RC_ASSERT(*p99 <= *std::max_element(samples.begin(), samples.end()));
  }));
}

TEST(SlowestRank, IsTheMaximumOverRanksPerIteration) {
  const std::vector<double> times = {1, 5, 3,   // rank 0
                                     2, 4, 9};  // rank 1
  EXPECT_EQ(slowest_rank(times, 3), (std::vector<double>{2, 5, 9}));
}

TEST(SlowestRank, NoIterationsGiveNoTimes) { EXPECT_TRUE(slowest_rank({}, 0).empty()); }

TEST(Ratio, IsNeverInfiniteOrNan) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(ratio(6, 3), 2);
  for (const double value :
       {ratio(1, 0), ratio(0, 0), ratio(kInfinity, 1), ratio(std::nan(""), 1), ratio(1e308, 1e-308)}) {
    EXPECT_EQ(value, 0);
  }
}

TEST(Bandwidth, IsThatOfNcclTests) {
  // 4 ranks, 1000 bytes in a rank's buffer, 1 us: algbw 1 GB/s, busbw 3/4 of it.
  const Bandwidth rates = bandwidth(1000, 1e-6, 4);
  EXPECT_DOUBLE_EQ(rates.algorithm_bytes_per_s, 1e9);
  EXPECT_DOUBLE_EQ(rates.bus_bytes_per_s, 0.75e9);
}

TEST(Bandwidth, OfNoTimeOrNoRanksIsZero) {
  EXPECT_EQ(bandwidth(1000, 0, 4).algorithm_bytes_per_s, 0);
  EXPECT_EQ(bandwidth(1000, 1, 0).bus_bytes_per_s, 0);
  EXPECT_EQ(bandwidth(1000, 1, 1).bus_bytes_per_s, 0);
}

}  // namespace
}  // namespace banyan::perf
