// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/expert_map.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "base/error.hpp"

namespace banyan::moe {
namespace {

std::string refusal(const std::vector<int>& offsets, const std::vector<int>& ranks, const std::vector<double>& shares) {
  try {
    const ExpertMap map(offsets, ranks, shares, 4);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(ExpertMap, BlocksThatDoNotDivideThenFirstRanksHoldOneMore) {
  const auto map = ExpertMap::blocks(7, 3);
  EXPECT_EQ(map.experts_of(0), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(map.experts_of(1), (std::vector<int>{3, 4}));
  EXPECT_EQ(map.experts_of(2), (std::vector<int>{5, 6}));
  EXPECT_EQ(map.most_local(), 3);
}

TEST(ExpertMap, FewerExpertsThanRanksThenSomeHoldNone) {
  const auto map = ExpertMap::blocks(2, 4);
  EXPECT_EQ(map.experts_of(1), (std::vector<int>{1}));
  EXPECT_TRUE(map.experts_of(2).empty());
  EXPECT_EQ(map.num_ranks(), 4);
}

TEST(ExpertMap, ReplicasThenLocalIndicesAreThoseOfTheRank) {
  const ExpertMap map(std::vector<int>{0, 2, 3}, std::vector<int>{3, 1, 3}, std::vector<double>{1, 2, 1}, 4);
  EXPECT_EQ(map.experts_of(3), (std::vector<int>{0, 1}));
  EXPECT_EQ(map.local_index(0, 0), 0);
  EXPECT_EQ(map.local_index(0, 1), 0);
  EXPECT_EQ(map.local_index(1, 0), 1);
  EXPECT_EQ(map.shares(0)[1], 2);
}

TEST(ExpertMap, NonsenseThenAnErrorThatNamesIt) {
  EXPECT_NE(refusal({0, 1}, {4}, {}).find("expert 0 on rank 4 of 4"), std::string::npos);
  EXPECT_NE(refusal({0, 1}, {-1}, {}).find("rank -1"), std::string::npos);
  EXPECT_NE(refusal({0, 2}, {1, 1}, {}).find("twice"), std::string::npos);
  EXPECT_NE(refusal({0, 1, 1}, {0}, {}).find("expert 1 has no rank"), std::string::npos);
  EXPECT_NE(refusal({0, 2}, {0}, {}).find("expert_offsets"), std::string::npos);
  EXPECT_NE(refusal({0, 2}, {0, 1}, {0, 0}).find("all 0"), std::string::npos);
  EXPECT_NE(refusal({0, 2}, {0, 1}, {1, -1}).find("share"), std::string::npos);
  EXPECT_NE(refusal({0, 2}, {0, 1}, {1}).find("replica_shares has 1"), std::string::npos);
}

TEST(ExpertMap, DescribesItselfByRanksOrADigest) {
  const ExpertMap map(std::vector<int>{0, 1, 3, 4}, std::vector<int>{0, 1, 3, 2}, {}, 4);
  EXPECT_EQ(map.describe(0, 3), "0, 1 3, 2");
  EXPECT_EQ(map.describe(1, 2), "1 3");
  EXPECT_EQ(map.describe(1, 1), "");
}

TEST(ExpertMap, DifferentMapsThenDifferentDigests) {
  constexpr int kMany = 200;
  std::vector<int> offsets(kMany + 1), ranks(kMany, 1);
  std::iota(offsets.begin(), offsets.end(), 0);
  const ExpertMap one(offsets, ranks, {}, 4);
  EXPECT_EQ(one.describe(0, kMany), ExpertMap(offsets, ranks, {}, 4).describe(0, kMany));
  EXPECT_EQ(one.describe(0, kMany).find("digest "), 0U);
  ranks.back() = 2;
  EXPECT_NE(one.describe(0, kMany), ExpertMap(offsets, ranks, {}, 4).describe(0, kMany));
  EXPECT_EQ(one.describe(0, kMany - 1), ExpertMap(offsets, ranks, {}, 4).describe(0, kMany - 1));
}

}  // namespace
}  // namespace banyan::moe
