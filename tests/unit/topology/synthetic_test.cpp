// SPDX-License-Identifier: Apache-2.0
#include "topology/synthetic.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fixtures.hpp"
#include "topology/locality_tree.hpp"

namespace banyan::topology {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Synthetic, ExampleOfTheHeader) {
  const LocalityTree tree = LocalityTree::derive(synthetic("2:[8,7] nic=10gbit"));
  EXPECT_EQ(tree.num_ranks(), 15);
  const std::vector<int> hosts = tree.at_tier(Tier::kNode);
  ASSERT_EQ(hosts.size(), 2U);
  EXPECT_EQ(tree.node(hosts[1]).ranks.size(), 7U);
  EXPECT_DOUBLE_EQ(tree.node(hosts[0]).egress_bytes_per_s, 1.25e9);
  EXPECT_EQ(tree.at_tier(Tier::kRack).size(), 1U);
}

TEST(Synthetic, RacksGetTheirUplinks) {
  const LocalityTree tree =
      LocalityTree::derive(synthetic("5:2 nic=[10gbit x4,25gbit] rails=2 racks=[2,3] uplink=[20gbit,30gbit]"));
  const std::vector<int> racks = tree.at_tier(Tier::kRack);
  ASSERT_EQ(racks.size(), 2U);
  EXPECT_THAT(tree.node(racks[0]).ranks, ElementsAre(0, 1, 2, 3));
  EXPECT_DOUBLE_EQ(tree.node(racks[0]).egress_bytes_per_s, 20e9 / 8);
  EXPECT_DOUBLE_EQ(tree.node(racks[1]).egress_bytes_per_s, 30e9 / 8);
  EXPECT_DOUBLE_EQ(tree.node(tree.ancestor(9, Tier::kNode)).egress_bytes_per_s, 2 * 25e9 / 8);
}

TEST(Synthetic, CyclicOrderDealsRanksOverUnevenHosts) {
  const LocalityTree tree = LocalityTree::derive(synthetic("3:[3,1,2] order=cyclic"));
  EXPECT_THAT(tree.node(tree.ancestor(0, Tier::kNode)).ranks, ElementsAre(0, 3, 5));
  EXPECT_THAT(tree.node(tree.ancestor(2, Tier::kNode)).ranks, ElementsAre(2, 4));
}

TEST(Synthetic, NumaMemoryAndNvlinkAreInTheGraph) {
  const Graph plain = synthetic("1:4 numa=2 memory=8GB/s");
  EXPECT_DOUBLE_EQ(bandwidth(plain, "rank:3", "host:node0/numa:1"), 8e9);
  const Graph gpus = synthetic("1:4 nvlink=450GB/s");
  EXPECT_DOUBLE_EQ(bandwidth(gpus, "host:node0/gpu:3", "host:node0/nvswitch:0"), 450e9);
  EXPECT_TRUE(LocalityTree::derive(gpus).mapped(0, 3));
}

TEST(Synthetic, EveryDescriptionIsValid) {
  for (const char* description :
       {"1:1", "4:4", " 2:[8,7]\tnic=10gbit ", "7:[1x7] racks=3", "2:2 rails=2", "2:2 rails=3 racks=2 uplink=1gbit",
        "3:[5, 4, 3] nic=[1gbit, 2gbit, 3gbit] numa=4 nvlink=50GB/s order=cyclic", "2:1 order=block"}) {
    EXPECT_EQ(check(synthetic(description)), "") << description;
  }
}

TEST(Synthetic, ThousandsOfRanks) {
  const Graph graph = synthetic("2048:8 nic=400gbit rails=8 racks=64 uplink=6.4tbit numa=2");
  EXPECT_EQ(graph.num_ranks(), 16384);
  EXPECT_EQ(LocalityTree::derive(graph).at_tier(Tier::kRack).size(), 64U);
}

struct BadDescription {
  const char* text;
  int column;
  const char* message;
};

class SyntheticRejects : public testing::TestWithParam<BadDescription> {};

TEST_P(SyntheticRejects, WithColumn) {
  const auto result = from_synthetic(GetParam().text);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().column, GetParam().column) << result.error().message;
  EXPECT_THAT(result.error().message, HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Synthetic, SyntheticRejects,
    testing::Values(
        BadDescription{"", 1, "number of hosts"}, BadDescription{"2", 2, "expected ':'"},
        BadDescription{"0:1", 1, "number of hosts"}, BadDescription{"2:", 3, "ranks per host"},
        BadDescription{"2:[1]", 3, "1 values for 2"}, BadDescription{"2:[1,2,3]", 9, "more than 2"},
        BadDescription{"2:[1,2", 7, "expected ']'"}, BadDescription{"99999999:1", 1, "number of hosts"},
        BadDescription{"65536:64", 7, "at most 131072"}, BadDescription{"2:1nic=1gbit", 4, "blank"},
        BadDescription{"2:1 nic=fast", 9, "rate such as"}, BadDescription{"2:1 nic", 5, "name=value"},
        BadDescription{"2:1 nick=1gbit", 5, "unknown option"}, BadDescription{"2:1 nic=1gbit nic=1gbit", 15, "twice"},
        BadDescription{"2:1 uplink=1gbit", 5, "must follow racks"},
        BadDescription{"2:1 racks=[1,2]", 11, "racks hold 3 hosts"},
        BadDescription{"2:1 racks=3", 11, "number of racks"}, BadDescription{"2:1 order=random", 11, "block or cyclic"},
        BadDescription{"1:2000 nvlink=1GB/s", 8, "at most 1024"}, BadDescription{"60000:2 rails=64", 1, "vertices"},
        BadDescription{"2:[1x99999999999999999999]", 6, "repetitions"}));

}  // namespace
}  // namespace banyan::topology
