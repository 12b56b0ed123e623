// SPDX-License-Identifier: Apache-2.0
#include "coll/capacity.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.hpp"

namespace banyan::coll {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<size_t> capacities(const std::vector<double>& weights, size_t rows, double factor = 1, size_t least = 0) {
  return capacities_of({.weights = weights, .rows = rows, .factor = factor, .min_capacity = least});
}

TEST(Capacity, ByHand) {
  EXPECT_THAT(capacities({1, 1, 2}, 8), ElementsAre(2, 2, 4));
  EXPECT_THAT(capacities({1, 1, 1}, 8), ElementsAre(3, 3, 3));
  EXPECT_THAT(capacities({1, 0, 3}, 8, 1.25), ElementsAre(3, 0, 8));  // 2.5 and 7.5
  EXPECT_THAT(capacities({1, 0, 3}, 8, 10), ElementsAre(8, 0, 8));    // a pair has no more than there is
  EXPECT_THAT(capacities({1, 0, 999}, 1000, 1, 4), ElementsAre(4, 0, 999));
  EXPECT_THAT(capacities({1, 0, 3}, 2, 1, 100), ElementsAre(2, 0, 2));
  EXPECT_THAT(capacities({0, 0, 0}, 0), ElementsAre(0, 0, 0));
  EXPECT_THAT(capacities({1, 2}, 0), ElementsAre(0, 0));
}

TEST(Capacity, WholeQuotasThenNoRowMoreThroughRounding) {
  for (const size_t parts : {3, 7, 10, 49, 63}) {
    const std::vector<double> weights(parts, 0.1);  // whose sum is not parts * 0.1
    for (const size_t each : {size_t{1}, size_t{5}, size_t{1000003}}) {
      EXPECT_EQ(capacities(weights, parts * each), std::vector<size_t>(parts, each)) << parts << " of " << each;
    }
  }
}

TEST(Capacity, WeightsOfAnyScaleThenTheSameShares) {
  EXPECT_THAT(capacities({1e308, 1e308, 1e308}, 6), ElementsAre(2, 2, 2));
  EXPECT_THAT(capacities({5e-324, 5e-324}, 6), ElementsAre(3, 3));
  EXPECT_THAT(capacities({1e308, 5e-324}, 6), ElementsAre(6, 1)) << "a weight above 0 has room for a row";
}

TEST(Capacity, CountsAsWeightsThenTheseAreTheCapacities) {
  EXPECT_TRUE(rc::check([] {
    const auto counts =
        *rc::gen::nonEmpty(rc::gen::container<std::vector<size_t>>(rc::gen::inRange<size_t>(0, 1U << 30)));
    const std::vector<double> weights(counts.begin(), counts.end());
    RC_ASSERT(capacities(weights, std::accumulate(counts.begin(), counts.end(), size_t{0})) == counts ||
              std::accumulate(counts.begin(), counts.end(), size_t{0}) == 0);
  }));
}

TEST(Capacity, RandomWeightsThenEachPairHasWhatItAsksForAndTheSumIsBounded) {
  EXPECT_TRUE(rc::check([] {
    auto weights = *rc::gen::nonEmpty(rc::gen::container<std::vector<double>>(
        rc::gen::map(rc::gen::inRange(0, 1000), [](int x) { return x < 300 ? 0 : std::exp(x / 100.0); })));
    weights[0] += 1;
    const auto rows = *rc::gen::inRange<size_t>(1, 1000000);
    const double factor = *rc::gen::map(rc::gen::inRange(1, 400), [](int x) { return x / 100.0; });
    const auto least = *rc::gen::inRange<size_t>(0, 10);
    const auto got = capacities(weights, rows, factor, least);
    const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    for (size_t i = 0; i < weights.size(); ++i) {
      const double asked = std::min(static_cast<double>(rows), factor * static_cast<double>(rows) * weights[i] / sum);
      RC_ASSERT(static_cast<double>(got[i]) >= asked * (1 - 1e-11));
      RC_ASSERT(got[i] <= rows);
      RC_ASSERT((got[i] == 0) == (weights[i] == 0));
      RC_ASSERT(weights[i] == 0 || got[i] >= std::min(rows, least));
    }
    if (least == 0) {
      const auto total = static_cast<double>(std::accumulate(got.begin(), got.end(), size_t{0}));
      RC_ASSERT(total <= factor * static_cast<double>(rows) * (1 + 1e-11) + static_cast<double>(weights.size()));
    }
  }));
}

void expect_error(const std::vector<double>& weights, size_t rows, double factor, banyan_status status,
                  const std::string& text) {
  try {
    static_cast<void>(capacities(weights, rows, factor));
    ADD_FAILURE() << "no error: " << text;
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), status);
    EXPECT_THAT(error.what(), HasSubstr(text));
  }
}

TEST(Capacity, BadInputThenNamesIt) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  expect_error({1, -1}, 8, 1, BANYAN_ERR_INVALID_ARGUMENT, "weights[1] is -1");
  expect_error({1, kNan}, 8, 1, BANYAN_ERR_INVALID_ARGUMENT, "weights[1] is nan");
  expect_error({kInfinite, 1}, 8, 1, BANYAN_ERR_INVALID_ARGUMENT, "weights[0] is inf");
  expect_error({0, 0}, 8, 1, BANYAN_ERR_INVALID_ARGUMENT, "all weights are 0, but rows is 8");
  expect_error({1, 1}, 8, 0, BANYAN_ERR_INVALID_ARGUMENT, "capacity_factor is 0");
  expect_error({1, 1}, 8, -2, BANYAN_ERR_INVALID_ARGUMENT, "capacity_factor is -2");
  expect_error({1, 1}, 8, kNan, BANYAN_ERR_INVALID_ARGUMENT, "capacity_factor is nan");
  expect_error({1, 1}, 8, kInfinite, BANYAN_ERR_INVALID_ARGUMENT, "capacity_factor is inf");
  expect_error({1, 1}, size_t{1} << 53, 1, BANYAN_ERR_LIMIT, "below 2^53");
}

}  // namespace
}  // namespace banyan::coll
