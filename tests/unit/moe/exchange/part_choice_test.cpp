// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/part_choice.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace banyan::moe {
namespace {

TEST(PartChoice, OnePartThenTheSumOfItsStages) {
  EXPECT_DOUBLE_EQ(predict_parts(std::vector{3.0, 2.0, 1.0}, 0.5, 1), 7.5);
}

TEST(PartChoice, PartsThatCostNothingThenTheLongestStageAndAPartOfTheOthers) {
  EXPECT_DOUBLE_EQ(predict_parts(std::vector{4.0, 8.0, 4.0}, 0, 8), 9);
}

TEST(PartChoice, NothingToOverlapThenOnePart) {
  EXPECT_EQ(choose_parts(std::vector{1.0}, 1e-6, 16), 1U);
  EXPECT_EQ(choose_parts(std::vector{1.0, 1e-7}, 1e-6, 16), 1U);
  EXPECT_EQ(choose_parts(std::vector{1.0, 1.0}, 1e-6, 1), 1U);
}

TEST(PartChoice, CheapPartsThenAsManyAsThereMayBe) {
  EXPECT_EQ(choose_parts(std::vector{1.0, 1.0}, 1e-6, 64), kMostParts);
  EXPECT_EQ(choose_parts(std::vector{1.0, 1.0}, 1e-6, 7), 4U);
}

/// What a handle relies on: fewer tokens never want more parts.
TEST(PartChoice, ShorterStagesThenNotMoreParts) {
  EXPECT_TRUE(rc::check([] {
    const auto stages_s = *rc::gen::container<std::vector<double>>(
        3, rc::gen::map(rc::gen::inRange(0, 1000), [](int ms) { return 1e-3 * ms; }));
    const double per_part_s = 1e-5 * *rc::gen::inRange(0, 1000);
    size_t before = kMostParts;
    for (const double scale : {1.0, 0.7, 0.3, 0.1, 0.01, 0.0}) {
      auto shorter = stages_s;
      std::transform(shorter.begin(), shorter.end(), shorter.begin(), [&](double s) { return s * scale; });
      const size_t chosen = choose_parts(shorter, per_part_s, 64);
      RC_ASSERT(chosen <= before);
      RC_ASSERT(predict_parts(shorter, per_part_s, chosen) <= predict_parts(shorter, per_part_s, 1));
      RC_ASSERT(predict_parts(shorter, per_part_s, chosen) >= *std::max_element(shorter.begin(), shorter.end()));
      before = chosen;
    }
  }));
}

TEST(PartChoice, ThresholdsThenTheyChooseAsTheModelDoes) {
  const std::vector<double> stages_s = {0.02, 0.005};
  const auto thresholds = part_thresholds(stages_s, 1e-4, 100);
  ASSERT_EQ(thresholds.size(), 3U);  // 8 parts at most: 5/8 + 0.8 ms
  for (size_t tokens = 0; tokens <= 100; ++tokens) {
    const double scale = static_cast<double>(tokens) / 100;
    EXPECT_EQ(parts_by(thresholds, tokens), choose_parts(std::vector{0.02 * scale, 0.005 * scale}, 1e-4, tokens));
  }
}

TEST(PartChoice, NothingToGainThenNoThresholds) {
  EXPECT_TRUE(part_thresholds(std::vector{1.0}, 1e-6, 100).empty());
  EXPECT_EQ(parts_by({}, 1000), 1U);
}

}  // namespace
}  // namespace banyan::moe
