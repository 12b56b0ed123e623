// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/dedup_choice.hpp"

#include <gtest/gtest.h>

#include "cost/profile.hpp"
#include "synthetic_step.hpp"

namespace banyan::moe {
namespace {

Dedup choice(const std::string& machine, int num_experts, int top_k) {
  const auto tree = testing::tree_of(machine);
  const planner::Hosts hosts(tree);
  return choose_dedup(hosts, cost::nominal_model(tree), ExpertMap::blocks(num_experts, hosts.num_ranks()), top_k,
                      1 << 20);
}

/// gpu-peers.md section 4: remote copies per token of the top 8 of 256 experts, 8 ranks a node.
TEST(DedupChoice, TopEightOf256ThenTheChancesOfTheReference) {
  struct Row {
    int nodes;
    double by_node, by_rank, by_expert;
  };
  for (const Row& row : {Row{2, 1.00, 3.26, 4.00}, Row{4, 2.71, 5.45, 6.00}, Row{8, 4.63, 6.72, 7.00},
                         Row{16, 6.12, 7.40, 7.50}, Row{32, 7.04, 7.75, 7.75}}) {
    const int ranks = 8 * row.nodes;
    EXPECT_NEAR((row.nodes - 1) * hit_chance(256, 256 / row.nodes, 8), row.by_node, 0.006) << row.nodes;
    EXPECT_NEAR((ranks - 8) * hit_chance(256, 256 / ranks, 8), row.by_rank, 0.006) << row.nodes;
    EXPECT_NEAR(8.0 * (row.nodes - 1) / row.nodes, row.by_expert, 0.006) << row.nodes;
  }
}

TEST(DedupChoice, SlowWiresThenOnceForEachHost) {
  EXPECT_EQ(choice("4:4 nic=1gbit", 64, 8), Dedup::kNode);
  EXPECT_EQ(choice("2:8 nic=1gbit", 64, 8), Dedup::kNode);
}

TEST(DedupChoice, OneHostOrNothingToShareThenOnceForEachRank) {
  EXPECT_EQ(choice("1:8 nic=1gbit", 64, 8), Dedup::kRank);
  EXPECT_EQ(choice("4:1 nic=1gbit", 64, 8), Dedup::kRank);
  EXPECT_EQ(choice("4:4 nic=1gbit", 64, 1), Dedup::kRank);
}

TEST(DedupChoice, SlowUplinksThenOnceForEachRack) {
  EXPECT_EQ(choice("4:4 nic=1gbit racks=[2,2] uplink=500mbit", 64, 8), Dedup::kTier);
}

}  // namespace
}  // namespace banyan::moe
