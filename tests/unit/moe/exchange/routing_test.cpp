// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/routing.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "synthetic_step.hpp"

namespace banyan::moe {
namespace {

/// Two hosts of two ranks.
class RoutingOfFourRanks : public ::testing::Test {
 protected:
  Routing route(const std::vector<int64_t>& topk_idx, const std::vector<float>& weights) {
    return make_routing({.topk_idx = topk_idx.data(),
                         .topk_weights = weights.empty() ? nullptr : weights.data(),
                         .num_tokens = topk_idx.size() / static_cast<size_t>(rules_.top_k)},
                        rules_, map_, hosts_, source_, &problem_);
  }
  std::string text() const { return problem_.text(source_, map_.num_experts()); }

  topology::LocalityTree tree_ = testing::tree_of("2:2 nic=10gbit");
  planner::Hosts hosts_{tree_};
  ExpertMap map_ = ExpertMap::blocks(8, 4);
  RoutingRules rules_{.top_k = 2, .max_tokens = 100};
  Problem problem_;
  int source_ = 1;
};

TEST_F(RoutingOfFourRanks, AnyChoicesThenPicksAreByRankThenSlot) {
  const Routing routing = route({7, 0, 3, 2, -1, 5}, {0.5F, 0.25F, 1, 2, 3, 4});
  ASSERT_EQ(routing.num_tokens(), 3U);
  EXPECT_EQ(routing.of(0)[0].rank, 0);
  EXPECT_EQ(routing.of(0)[0].slot, 1);
  EXPECT_EQ(routing.of(0)[0].weight, 0.25F);
  EXPECT_EQ(routing.of(0)[1].local_expert, 1);
  EXPECT_EQ(routing.of(1)[0].slot, 0);  // both on rank 1
  EXPECT_EQ(routing.of(1)[0].local_expert, 1);
  ASSERT_EQ(routing.of(2).size(), 1U);
  EXPECT_EQ(routing.of(2)[0].slot, 1);
}

TEST_F(RoutingOfFourRanks, WhatIsWrongThenNamedWithRankTokenAndField) {
  EXPECT_EQ(route({0, 1, 8, 2}, {}).num_tokens(), 0U);
  EXPECT_EQ(text(), "rank 1: topk_idx[1][0] is 8, must be an expert from 0 to 7, or -1 for none");
  static_cast<void>(route({0, 1, 3, -2}, {}));
  EXPECT_EQ(problem_.value, -2);
  static_cast<void>(route({0, 1, 3, 3}, {}));
  EXPECT_EQ(text(), "rank 1: topk_idx[1][1] is 3, which the token has chosen already");
  static_cast<void>(route({0, 1}, {1, std::numeric_limits<float>::quiet_NaN()}));
  EXPECT_NE(text().find("rank 1: topk_weights[0][1] is nan"), std::string::npos) << text();
  rules_.max_tokens = 1;
  static_cast<void>(route({0, 1, 2, 3}, {}));
  EXPECT_EQ(text(), "rank 1: num_tokens is 2, max_tokens 1");
}

TEST_F(RoutingOfFourRanks, DropInvalidThenTheRestStaysAndIsCounted) {
  rules_.drop_invalid = true;
  rules_.max_tokens = 2;
  const Routing routing = route({0, 8, 3, 3, 1, 2}, {1, 1, 1, 1, 1, 1});
  EXPECT_EQ(problem_.kind, Problem::Kind::kNone);
  EXPECT_EQ(routing.num_tokens(), 2U);
  EXPECT_EQ(routing.picks.size(), 2U);
  EXPECT_EQ(routing.num_invalid, 2U + 2);
}

TEST_F(RoutingOfFourRanks, CapacityThenEachPolicyKeepsItsOwn) {
  rules_.top_k = 1;
  rules_.capacity = 2;
  const std::vector<int64_t> topk_idx = {0, 0, 1, 0, 0};
  const std::vector<float> weights = {1, 3, 1, 2, 3};
  const auto kept = [&](DropPolicy drop, uint64_t seed) {
    rules_.drop = drop;
    rules_.seed = seed;
    const Routing routing = route(topk_idx, weights);
    EXPECT_EQ(routing.num_dropped, 2U);
    std::vector<size_t> tokens;
    for (size_t token = 0; token < routing.num_tokens(); ++token) {
      if (!routing.of(token).empty()) {
        tokens.push_back(token);
      }
    }
    return tokens;
  };
  EXPECT_EQ(kept(DropPolicy::kPosition, 0), (std::vector<size_t>{0, 1, 2}));
  EXPECT_EQ(kept(DropPolicy::kScore, 0), (std::vector<size_t>{1, 2, 4}));
  std::map<std::vector<size_t>, int> drawn;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    ++drawn[kept(DropPolicy::kRandom, seed)];
    EXPECT_EQ(kept(DropPolicy::kRandom, seed), kept(DropPolicy::kRandom, seed));
  }
  EXPECT_EQ(drawn.size(), 6U);  // all pairs of the four tokens
}

TEST_F(RoutingOfFourRanks, ReplicasWithoutSharesThenTheNearestTakeTurns) {
  map_ = ExpertMap(std::vector<int>{0, 3, 5}, std::vector<int>{0, 2, 3, 2, 3}, {}, 4);
  rules_.top_k = 1;
  const Routing near = route({0, 0, 0}, {});
  for (const Pick& pick : near.picks) {
    EXPECT_EQ(pick.rank, 0);  // the host of rank 1
  }
  const Routing far = route({1, 1, 1, 1}, {});
  EXPECT_NE(far.picks[0].rank, far.picks[1].rank);
  EXPECT_EQ(far.picks[0].rank, far.picks[2].rank);
}

TEST_F(RoutingOfFourRanks, SharesThenEachReplicaGetsItsPartToWithinOne) {
  const std::vector<double> shares = {1, 0, 2.5};
  map_ = ExpertMap(std::vector<int>{0, 3}, std::vector<int>{0, 1, 2}, shares, 4);
  rules_.top_k = 1;
  const Routing routing = route(std::vector<int64_t>(90, 0), {});
  std::vector<double> got(3);
  for (size_t n = 0; n < routing.picks.size(); ++n) {
    ++got[static_cast<size_t>(routing.picks[n].rank)];
    for (size_t replica = 0; replica < 3; ++replica) {
      ASSERT_LE(std::abs(got[replica] - shares[replica] / 3.5 * static_cast<double>(n + 1)), 1.0 + 1e-6);
    }
  }
  EXPECT_EQ(got[1], 0);
}

TEST_F(RoutingOfFourRanks, UnevenAndHugeSharesThenStillToWithinOneAfterEachChoice) {
  // The choice of whoever is furthest behind is off by more than 1 here.
  const std::vector<double> shares = {21, 3, 23, 2, 249, 193, 2, 3, 5};
  tree_ = testing::tree_of("3:3 nic=10gbit");
  hosts_ = planner::Hosts(tree_);
  rules_.top_k = 1;
  rules_.max_tokens = 1000;
  for (const double scale : {1.0, 1e305}) {
    std::vector<double> scaled = shares;
    for (double& share : scaled) {
      share *= scale;
    }
    map_ = ExpertMap(std::vector<int>{0, 9}, std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8}, scaled, 9);
    const Routing routing = route(std::vector<int64_t>(1000, 0), {});
    std::vector<double> got(9);
    for (size_t n = 0; n < routing.picks.size(); ++n) {
      ++got[static_cast<size_t>(routing.picks[n].rank)];
      for (size_t replica = 0; replica < 9; ++replica) {
        ASSERT_LE(std::abs(got[replica] - shares[replica] / 501 * static_cast<double>(n + 1)), 1.0 + 1e-5) << n;
      }
    }
  }
}

TEST_F(RoutingOfFourRanks, NearReplicasAmongOthersThenRanksOfAHostBeginWithDifferentOnes) {
  tree_ = testing::tree_of("2:4 nic=10gbit");
  hosts_ = planner::Hosts(tree_);
  map_ = ExpertMap(std::vector<int>{0, 3}, std::vector<int>{0, 1, 4}, {}, 8);
  rules_.top_k = 1;
  source_ = 2;
  const int first = route({0}, {}).picks[0].rank;
  source_ = 3;
  EXPECT_EQ(first + route({0}, {}).picks[0].rank, 0 + 1);
}

}  // namespace
}  // namespace banyan::moe
