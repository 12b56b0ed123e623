// SPDX-License-Identifier: Apache-2.0
#include "cost/inferred_racks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.hpp"
#include "topology/discover.hpp"
#include "topology/render.hpp"

namespace banyan::cost {
namespace {

using testing::HasSubstr;
using topology::Graph;
using topology::LocalityTree;
using topology::Tier;

/// node0 and node2, node1 and node3; the second's ingress is no limit.
Profile sample() {
  return profile_from_json(file::read(BANYAN_TEST_PROFILES "/inferred_racks.json")).value("inferred_racks.json");
}

Graph graph_of(const std::string& description) { return topology::from_synthetic(description).value(description); }

std::vector<std::vector<int>> ranks_by_rack(const LocalityTree& tree) {
  std::vector<std::vector<int>> racks;
  for (const int rack : tree.at_tier(Tier::kRack)) {
    racks.push_back(tree.node(rack).ranks);
  }
  return racks;
}

SubtreeCapacity rack_capacity(const LocalityTree& tree, const CostModel& model, size_t rack) {
  return model.subtrees.at(static_cast<size_t>(tree.at_tier(Tier::kRack).at(rack)));
}

TEST(InferredRacks, OneFabricThenTheTreeHasThemWithTheirCapacities) {
  Graph graph = graph_of("4:2 nic=100mbit");
  ASSERT_TRUE(add_inferred_racks(graph, sample()));
  const auto tree = LocalityTree::derive(graph);
  EXPECT_EQ(ranks_by_rack(tree), (std::vector<std::vector<int>>{{0, 1, 4, 5}, {2, 3, 6, 7}}));
  EXPECT_EQ(tree.common_tier(0, 4), Tier::kRack);
  EXPECT_EQ(tree.common_tier(0, 2), Tier::kCluster);
  EXPECT_EQ(tree.node(tree.ancestor(0, Tier::kNode)).egress_bytes_per_s, 12.5e6) << "NICs stay as they were";
  const auto model = measured_model(tree, sample());
  EXPECT_EQ(rack_capacity(tree, model, 0), (SubtreeCapacity{5.8e6, 6e6, true}));
  EXPECT_EQ(rack_capacity(tree, model, 1), (SubtreeCapacity{5.9e6, 0, false}));
  EXPECT_THAT(model.source, HasSubstr("racks inferred"));
}

TEST(InferredRacks, TopologyFileToldTheRacksThenTheyStay) {
  Graph graph = graph_of("4:1 nic=100mbit racks=[2,2] uplink=10mbit");
  const Graph before = graph;
  EXPECT_FALSE(add_inferred_racks(graph, sample()));
  EXPECT_EQ(graph, before);
  EXPECT_EQ(measured_model(LocalityTree::derive(graph), sample()).source.find("inferred"), std::string::npos);
}

TEST(InferredRacks, NoneFoundThenNothingChanges) {
  Profile profile = sample();
  for (const auto& none : {std::optional<std::vector<InferredRack>>(), std::optional(std::vector<InferredRack>())}) {
    profile.inferred_racks = none;
    Graph graph = graph_of("4:1 nic=100mbit");
    EXPECT_FALSE(add_inferred_racks(graph, profile));
  }
}

TEST(InferredRacks, HostThatTheProfileLacksThenNothingChanges) {
  Graph graph = graph_of("5:1 nic=100mbit");
  const Graph before = graph;
  EXPECT_FALSE(add_inferred_racks(graph, sample()));
  EXPECT_EQ(graph, before);
}

TEST(InferredRacks, PartOfTheHostsThenTheirRacks) {
  Graph graph = graph_of("3:1 nic=100mbit");
  ASSERT_TRUE(add_inferred_racks(graph, sample()));
  EXPECT_EQ(ranks_by_rack(LocalityTree::derive(graph)), (std::vector<std::vector<int>>{{0, 2}, {1}}));
}

TEST(InferredRacks, GroupOfRanksThenItsOwnTreeHasThem) {
  Graph graph = graph_of("4:2 nic=100mbit");
  ASSERT_TRUE(add_inferred_racks(graph, sample()));
  const std::vector<int> every_second = {6, 4, 2};
  EXPECT_EQ(ranks_by_rack(LocalityTree::derive(graph, every_second)), (std::vector<std::vector<int>>{{0, 2}, {1}}));
}

TEST(InferredRacks, OtherKeysThenHostsAreFoundByName) {
  Profile profile = sample();
  for (auto& host : profile.hosts) {
    host.key += " of an earlier boot";
  }
  Graph graph = graph_of("4:1 nic=100mbit");
  EXPECT_TRUE(add_inferred_racks(graph, profile));
  profile.hosts[3].name = "node0";
  graph = graph_of("4:1 nic=100mbit");
  EXPECT_FALSE(add_inferred_racks(graph, profile)) << "two hosts of one name";
}

TEST(InferredRacks, HostsWithoutNicsThenStillInRacks) {
  Graph graph = graph_of("4:1");
  std::erase_if(graph.links, [&](const topology::Link& link) { return link.kind == topology::LinkKind::kNetwork; });
  ASSERT_TRUE(add_inferred_racks(graph, sample()));
  EXPECT_EQ(ranks_by_rack(LocalityTree::derive(graph)).size(), 2u);
  EXPECT_EQ(topology::check(graph), "");
}

TEST(InferredRacks, GraphThenSaysWhereItsSwitchesCameFrom) {
  Graph graph = graph_of("4:1 nic=100mbit");
  ASSERT_TRUE(add_inferred_racks(graph, sample()));
  EXPECT_THAT(topology::render_text(graph), HasSubstr("inferred from rates"));
}

}  // namespace
}  // namespace banyan::cost
