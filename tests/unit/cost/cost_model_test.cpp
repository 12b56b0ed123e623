// SPDX-License-Identifier: Apache-2.0
#include "cost/cost_model.hpp"

#include <gtest/gtest.h>

#include "cost/profile.hpp"
#include "topology/graph_builder.hpp"

namespace banyan::cost {
namespace {

using topology::LocalityTree;
using topology::Tier;

constexpr TierCost kSlowTier{.alpha_s = 1e-3, .overhead_s = 1e-4, .flow_bytes_per_s = 1e6, .measured = true};
constexpr TierCost kOtherTier{.alpha_s = 2e-3, .overhead_s = 2e-4, .flow_bytes_per_s = 2e6, .measured = true};

size_t slot(Tier tier) { return static_cast<size_t>(tier); }

const TierCost& tier_of(const CostModel& model, Tier tier) { return model.tiers[slot(tier)]; }

SubtreeCapacity host_capacity(const LocalityTree& tree, const CostModel& model, size_t host) {
  return model.subtrees.at(static_cast<size_t>(tree.at_tier(Tier::kNode).at(host)));
}

/// Two leaf switches of one host each, 10 GB/s NICs, 3 GB/s between leaf and spine.
LocalityTree two_racks() {
  topology::GraphBuilder builder;
  const int spine = builder.add(topology::VertexKind::kSwitch, "switch:spine", "spine");
  for (int i = 0; i < 2; ++i) {
    const std::string number = std::to_string(i);
    const int leaf = builder.add(topology::VertexKind::kSwitch, "switch:leaf" + number, "leaf" + number);
    const int host = builder.add(topology::VertexKind::kHost, "host:h" + number, "h" + number);
    const int nic = builder.add(topology::VertexKind::kNic, "host:h" + number + "/nic:eth0", "eth0");
    builder.join(host, nic, topology::LinkKind::kPci);
    builder.join(nic, leaf, topology::LinkKind::kNetwork, 10e9);
    builder.join(leaf, spine, topology::LinkKind::kNetwork, 3e9);
    builder.add_rank(host);
    builder.add_rank(host);
  }
  return LocalityTree::derive(builder.graph());
}

Profile profile_of(const LocalityTree& tree) {
  Profile profile;
  profile.created = "2026-11-22T00:00:00Z";
  profile.transport = "shm,ucx";
  profile.num_ranks = tree.num_ranks();
  for (const int index : tree.at_tier(Tier::kNode)) {
    const auto& node = tree.node(index);
    profile.hosts.push_back({node.key, node.name, static_cast<int>(node.ranks.size()), 5e6, 6e6});
  }
  return profile;
}

TEST(NominalModel, AnyTreeThenEveryNumberIsUsable) {
  for (const LocalityTree& tree :
       {LocalityTree::from_hosts({{0}}, 0), LocalityTree::from_hosts({{0, 1, 2}, {3}}, 1e9), two_racks()}) {
    const CostModel model = nominal_model(tree);
    EXPECT_EQ(model.subtrees.size(), tree.nodes().size());
    EXPECT_FALSE(model.measured);
    EXPECT_EQ(model.source, "nominal");
    EXPECT_GT(model.copy_bytes_per_s, 0);
    EXPECT_GE(model.host_copy_bytes_per_s, model.copy_bytes_per_s);
    for (const Tier tier : {Tier::kDomain, Tier::kNode, Tier::kRack, Tier::kCluster}) {
      EXPECT_GT(tier_of(model, tier).alpha_s, 0);
      EXPECT_GT(tier_of(model, tier).overhead_s, 0);
      EXPECT_GT(tier_of(model, tier).flow_bytes_per_s, 0);
      EXPECT_FALSE(tier_of(model, tier).measured);
      EXPECT_GE(tier_of(model, tier).alpha_s, model.tiers[slot(tier) - 1].alpha_s);
    }
  }
}

TEST(NominalModel, KnownNicThenItIsTheHostsCapacityAndOneFlows) {
  const LocalityTree tree = LocalityTree::from_hosts({{0, 1}, {2}}, 3e9);
  const CostModel model = nominal_model(tree);
  EXPECT_EQ(host_capacity(tree, model, 0), (SubtreeCapacity{3e9, 3e9, false}));
  EXPECT_EQ(tier_of(model, Tier::kRack).flow_bytes_per_s, 3e9);
}

TEST(NominalModel, UnknownNicThenDefaultCapacity) {
  const LocalityTree tree = LocalityTree::from_hosts({{0}, {1}}, 0);
  const CostModel model = nominal_model(tree);
  EXPECT_EQ(host_capacity(tree, model, 1), (SubtreeCapacity{1.25e9, 1.25e9, false}));
}

TEST(NominalModel, FastNicThenRdmaLatency) {
  const CostModel slow = nominal_model(LocalityTree::from_hosts({{0}, {1}}, 1.25e9));
  const CostModel fast = nominal_model(LocalityTree::from_hosts({{0}, {1}}, 50e9));
  EXPECT_LT(tier_of(fast, Tier::kRack).alpha_s, tier_of(slow, Tier::kRack).alpha_s);
}

TEST(NominalModel, KnownUplinkThenRackIsLimited) {
  const LocalityTree tree = two_racks();
  const CostModel model = nominal_model(tree);
  const auto rack = static_cast<size_t>(tree.at_tier(Tier::kRack).at(0));
  EXPECT_EQ(model.subtrees.at(rack), (SubtreeCapacity{3e9, 3e9, false}));
}

TEST(MeasuredModel, EmptyProfileThenNominal) {
  const LocalityTree tree = two_racks();
  EXPECT_EQ(measured_model(tree, Profile{}), nominal_model(tree));
}

TEST(MeasuredModel, HostKnownByKeyThenItsRatesWhateverItsName) {
  const LocalityTree tree = LocalityTree::from_hosts({{0}, {1}}, 1e9);
  Profile profile = profile_of(tree);
  profile.hosts[1].name = "renamed";
  profile.hosts[1].egress_bytes_per_s = 7e6;
  const CostModel model = measured_model(tree, profile);
  EXPECT_EQ(host_capacity(tree, model, 1), (SubtreeCapacity{7e6, 6e6, true}));
  EXPECT_TRUE(model.measured);
  EXPECT_NE(model.source.find("2026-11-22"), std::string::npos);
}

TEST(MeasuredModel, KeyChangedThenMatchedByName) {
  const LocalityTree tree = LocalityTree::from_hosts({{0}, {1}}, 1e9);
  Profile profile = profile_of(tree);
  profile.hosts[0].key = "host:before-reboot";
  EXPECT_EQ(host_capacity(tree, measured_model(tree, profile), 0), (SubtreeCapacity{5e6, 6e6, true}));
}

TEST(MeasuredModel, NameTwiceInProfileThenNominal) {
  const LocalityTree tree = LocalityTree::from_hosts({{0}, {1}}, 1e9);
  Profile profile = profile_of(tree);
  profile.hosts[0].key = "host:x";
  profile.hosts[1] = profile.hosts[0];
  profile.hosts[1].key = "host:y";
  EXPECT_EQ(host_capacity(tree, measured_model(tree, profile), 0), (SubtreeCapacity{1e9, 1e9, false}));
}

TEST(MeasuredModel, UnknownHostThenNominalAndSaysSo) {
  const LocalityTree tree = LocalityTree::from_hosts({{0}, {1}, {2}}, 1e9);
  Profile profile = profile_of(tree);
  profile.hosts.pop_back();
  const CostModel model = measured_model(tree, profile);
  EXPECT_EQ(host_capacity(tree, model, 2), (SubtreeCapacity{1e9, 1e9, false}));
  EXPECT_TRUE(host_capacity(tree, model, 1).measured);
}

TEST(MeasuredModel, OnlyEgressMeasuredThenIngressNominalAndNotCalledMeasured) {
  const LocalityTree tree = LocalityTree::from_hosts({{0}, {1}}, 1e9);
  Profile profile = profile_of(tree);
  profile.hosts[0].ingress_bytes_per_s = 0;
  EXPECT_EQ(host_capacity(tree, measured_model(tree, profile), 0), (SubtreeCapacity{5e6, 1e9, false}));
}

TEST(MeasuredModel, ProfileOfTwoHostsOnASplitThenItsHostIsFound) {
  const LocalityTree world = LocalityTree::from_hosts({{0, 1}, {2, 3}}, 1e9);
  topology::GraphBuilder builder;
  for (int i = 0; i < 2; ++i) {
    const std::string name = "node" + std::to_string(i);
    const int host = builder.add(topology::VertexKind::kHost, "host:" + name, name);
    builder.add_rank(host);
    builder.add_rank(host);
  }
  const std::vector<int> second_host = {2, 3};
  const LocalityTree split = LocalityTree::derive(builder.graph(), second_host);
  Profile profile = profile_of(world);
  profile.hosts[1].egress_bytes_per_s = 9e6;
  const CostModel model = measured_model(split, profile);
  EXPECT_EQ(host_capacity(split, model, 0), (SubtreeCapacity{9e6, 6e6, true}));
}

TEST(MeasuredModel, ClusterNotMeasuredThenRackStandsInUnmeasured) {
  Profile profile;
  profile.tiers[slot(Tier::kRack)] = kSlowTier;
  const CostModel model = measured_model(two_racks(), profile);
  TierCost estimate = kSlowTier;
  estimate.measured = false;
  EXPECT_EQ(tier_of(model, Tier::kRack), kSlowTier);
  EXPECT_EQ(tier_of(model, Tier::kCluster), estimate);
  EXPECT_EQ(tier_of(model, Tier::kDomain), tier_of(nominal_model(two_racks()), Tier::kDomain));
}

TEST(MeasuredModel, RackNotMeasuredThenClusterStandsIn) {
  Profile profile;
  profile.tiers[slot(Tier::kCluster)] = kSlowTier;
  const CostModel model = measured_model(two_racks(), profile);
  EXPECT_EQ(tier_of(model, Tier::kRack).alpha_s, kSlowTier.alpha_s);
  EXPECT_FALSE(tier_of(model, Tier::kRack).measured);
}

TEST(MeasuredModel, NodeAndLocalMessageStandInForEachOther) {
  Profile profile;
  profile.local_message = kOtherTier;
  EXPECT_EQ(tier_of(measured_model(two_racks(), profile), Tier::kNode).alpha_s, kOtherTier.alpha_s);
  profile = {};
  profile.tiers[slot(Tier::kNode)] = kOtherTier;
  const CostModel model = measured_model(two_racks(), profile);
  EXPECT_EQ(model.local_message.alpha_s, kOtherTier.alpha_s);
  EXPECT_FALSE(model.local_message.measured);
}

TEST(MeasuredModel, RackRatesThenUplinkIsMeasured) {
  const LocalityTree tree = two_racks();
  Profile profile;
  profile.racks.push_back({"switch:leaf1", "leaf1", 2, 4e6, 5e6});
  const CostModel model = measured_model(tree, profile);
  EXPECT_EQ(model.subtrees.at(static_cast<size_t>(tree.at_tier(Tier::kRack).at(1))), (SubtreeCapacity{4e6, 5e6, true}));
  EXPECT_FALSE(model.subtrees.at(static_cast<size_t>(tree.at_tier(Tier::kRack).at(0))).measured);
}

TEST(MeasuredModel, CopyRatesThenTheyReplaceTheDefaults) {
  Profile profile;
  profile.copy_bytes_per_s = 1e9;
  profile.host_copy_bytes_per_s = 2e9;
  const CostModel model = measured_model(two_racks(), profile);
  EXPECT_EQ(model.copy_bytes_per_s, 1e9);
  EXPECT_EQ(model.host_copy_bytes_per_s, 2e9);
  EXPECT_TRUE(model.measured);
}

}  // namespace
}  // namespace banyan::cost
