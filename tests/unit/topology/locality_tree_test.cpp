// SPDX-License-Identifier: Apache-2.0
#include "topology/locality_tree.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <numeric>

#include "base/error.hpp"
#include "topology/graph_builder.hpp"
#include "topology/racks.hpp"

namespace banyan::topology {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr double kTenGbit = 1.25e9;

/// A host with one NIC on `leaf`.
int add_host(GraphBuilder& builder, const std::string& name, int leaf, double nic_bytes_per_s = kTenGbit) {
  const int host = builder.add(VertexKind::kHost, "host:" + name, name);
  const int nic = builder.add(VertexKind::kNic, "host:" + name + "/nic:eth0", "eth0");
  builder.join(host, nic, LinkKind::kPci);
  builder.join(nic, leaf, LinkKind::kNetwork, nic_bytes_per_s);
  return host;
}

int add_switch(GraphBuilder& builder, const std::string& name) {
  return builder.add(VertexKind::kSwitch, "switch:" + name, name);
}

/// Hosts of 2, 2 and 1 ranks; host a and b behind leaf0, c behind leaf1; ranks are dealt round-robin over a, b, c.
Graph two_racks() {
  GraphBuilder builder;
  const int spine = add_switch(builder, "spine");
  const int leaf0 = add_switch(builder, "leaf0");
  const int leaf1 = add_switch(builder, "leaf1");
  builder.join(leaf0, spine, LinkKind::kNetwork, 5e9);
  builder.join(leaf1, spine, LinkKind::kNetwork, 2e9);
  const int a = add_host(builder, "a", leaf0);
  const int b = add_host(builder, "b", leaf0, 2 * kTenGbit);
  const int c = add_host(builder, "c", leaf1);
  for (const int host : {a, b, c, a, b}) {
    builder.add_rank(host);
  }
  return builder.take();
}

TEST(LocalityTree, TwoRacksGiveEachRankItsAncestors) {
  const LocalityTree tree = LocalityTree::derive(two_racks());
  ASSERT_EQ(tree.num_ranks(), 5);
  EXPECT_THAT(tree.node(tree.ancestor(0, Tier::kNode)).ranks, ElementsAre(0, 3));
  EXPECT_THAT(tree.node(tree.ancestor(4, Tier::kNode)).ranks, ElementsAre(1, 4));
  EXPECT_THAT(tree.node(tree.ancestor(1, Tier::kRack)).ranks, ElementsAre(0, 1, 3, 4));
  EXPECT_EQ(tree.node(tree.ancestor(2, Tier::kRack)).key, "switch:leaf1");
  EXPECT_EQ(tree.ancestor(2, Tier::kCluster), tree.root());
  EXPECT_EQ(tree.at_tier(Tier::kDomain).size(), 3U);
}

TEST(LocalityTree, TwoRacksTakeCapacitiesFromNicsAndUplinks) {
  const LocalityTree tree = LocalityTree::derive(two_racks());
  const TreeNode& b = tree.node(tree.ancestor(1, Tier::kNode));
  EXPECT_EQ(b.num_nics, 1);
  EXPECT_DOUBLE_EQ(b.egress_bytes_per_s, 2 * kTenGbit);
  EXPECT_DOUBLE_EQ(b.ingress_bytes_per_s, 2 * kTenGbit);
  EXPECT_DOUBLE_EQ(tree.node(tree.ancestor(0, Tier::kRack)).egress_bytes_per_s, 5e9);
  EXPECT_DOUBLE_EQ(tree.node(tree.ancestor(2, Tier::kRack)).ingress_bytes_per_s, 2e9);
}

TEST(LocalityTree, CommonTierIsTheInnermostSharedSubtree) {
  const LocalityTree tree = LocalityTree::derive(two_racks());
  EXPECT_EQ(tree.common_tier(2, 2), Tier::kSelf);
  EXPECT_EQ(tree.common_tier(0, 3), Tier::kDomain);
  EXPECT_EQ(tree.common_tier(0, 1), Tier::kRack);
  EXPECT_EQ(tree.common_tier(0, 2), Tier::kCluster);
  EXPECT_TRUE(tree.mapped(1, 4));
  EXPECT_FALSE(tree.same_host(1, 3));
}

TEST(LocalityTree, StridedGroupGetsItsOwnTree) {
  const std::vector<int> group = {4, 2, 1};
  const LocalityTree tree = LocalityTree::derive(two_racks(), group);
  ASSERT_EQ(tree.num_ranks(), 3);
  EXPECT_THAT(tree.node(tree.ancestor(0, Tier::kNode)).ranks, ElementsAre(0, 2));
  EXPECT_EQ(tree.node(tree.ancestor(0, Tier::kNode)).key, "host:b");
  EXPECT_EQ(tree.at_tier(Tier::kNode).size(), 2U);
  EXPECT_EQ(tree.node(tree.at_tier(Tier::kRack).front()).key, "switch:leaf0");
}

TEST(LocalityTree, RankOutsideTheGraphIsAnInvalidArgument) {
  for (const std::vector<int>& group : {std::vector<int>{0, 5}, std::vector<int>{-1}, std::vector<int>{1, 1}}) {
    try {
      (void)LocalityTree::derive(two_racks(), group);
      FAIL() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), BANYAN_ERR_INVALID_ARGUMENT);
    }
  }
}

TEST(LocalityTree, DownNicAddsNoCapacity) {
  Graph graph = two_racks();
  for (Vertex& vertex : graph.vertices) {
    if (vertex.key == "host:b/nic:eth0") {
      vertex.attributes["state"] = "down";
    }
  }
  const LocalityTree tree = LocalityTree::derive(graph);
  const TreeNode& b = tree.node(tree.ancestor(1, Tier::kNode));
  EXPECT_EQ(b.num_nics, 0);
  EXPECT_EQ(b.egress_bytes_per_s, 0);
  EXPECT_EQ(tree.common_tier(0, 1), Tier::kRack) << "the cable still says which rack the host is in";
}

TEST(LocalityTree, RailsOfOnePodAreOneRack) {
  GraphBuilder builder;
  const int rail0 = add_switch(builder, "rail0");
  const int rail1 = add_switch(builder, "rail1");
  for (const char* name : {"a", "b"}) {
    const int host = add_host(builder, name, rail0);
    const int nic = builder.add(VertexKind::kNic, std::string("host:") + name + "/nic:eth1", "eth1");
    builder.join(host, nic, LinkKind::kPci);
    builder.join(nic, rail1, LinkKind::kNetwork, kTenGbit);
    builder.add_rank(host);
  }
  const LocalityTree tree = LocalityTree::derive(builder.graph());
  EXPECT_EQ(tree.at_tier(Tier::kRack).size(), 1U);
  EXPECT_EQ(tree.node(tree.ancestor(1, Tier::kNode)).num_nics, 2);
  EXPECT_DOUBLE_EQ(tree.node(tree.ancestor(1, Tier::kNode)).egress_bytes_per_s, 2 * kTenGbit);
  EXPECT_EQ(tree.node(tree.ancestor(1, Tier::kRack)).egress_bytes_per_s, 0) << "no uplinks: no limit";
}

TEST(LocalityTree, DifferentMemoryDomainsSplitAHost) {
  GraphBuilder builder;
  const int host = builder.add(VertexKind::kHost, "host:a", "a");
  for (const char* domain : {"x", "y", "x"}) {
    const int rank = builder.add_rank(host);
    builder.vertex(rank).attributes["memory_domain"] = domain;
  }
  const LocalityTree tree = LocalityTree::derive(builder.graph());
  EXPECT_EQ(tree.common_tier(0, 1), Tier::kNode);
  EXPECT_EQ(tree.common_tier(0, 2), Tier::kDomain);
  EXPECT_EQ(tree.node(tree.ancestor(1, Tier::kDomain)).key, "host:a/domain:1");
}

TEST(LocalityTree, GpusThatAllReachEachOtherByNvlinkAreOneDomain) {
  GraphBuilder builder;
  const int host = builder.add(VertexKind::kHost, "host:a", "a");
  std::vector<int> gpus;
  for (int g = 0; g < 5; ++g) {
    gpus.push_back(builder.add(VertexKind::kGpu, "host:a/gpu:" + std::to_string(g), "gpu"));
    builder.join(host, gpus.back(), LinkKind::kPci);
    builder.add_rank(gpus.back());
  }
  const int nvswitch = builder.add(VertexKind::kNvSwitch, "host:a/nvswitch:0", "nvswitch");
  builder.join(host, nvswitch, LinkKind::kPci);
  builder.join(gpus[0], nvswitch, LinkKind::kNvlink, 450e9);
  builder.join(gpus[1], nvswitch, LinkKind::kNvlink, 450e9);
  builder.join(gpus[1], gpus[2], LinkKind::kNvlink, 50e9);  // reaches gpu 1 only, not gpu 0
  builder.join(gpus[2], gpus[3], LinkKind::kNvlink, 50e9);
  const LocalityTree tree = LocalityTree::derive(builder.graph());
  EXPECT_TRUE(tree.mapped(0, 1));
  EXPECT_FALSE(tree.mapped(1, 2));
  EXPECT_TRUE(tree.mapped(2, 3));
  EXPECT_EQ(tree.common_tier(3, 4), Tier::kNode);
}

TEST(LocalityTree, GraphWithoutRanksHasARootOnly) {
  const LocalityTree tree = LocalityTree::derive(Graph{});
  EXPECT_EQ(tree.num_ranks(), 0);
  EXPECT_EQ(tree.nodes().size(), 1U);
  EXPECT_THAT(tree.node(tree.root()).children, IsEmpty());
}

TEST(LocalityTree, FromHostsTakesUnevenHosts) {
  const LocalityTree tree = LocalityTree::from_hosts({{0, 2, 4}, {1, 3}}, kTenGbit);
  EXPECT_EQ(tree.num_ranks(), 5);
  EXPECT_THAT(tree.node(tree.ancestor(3, Tier::kNode)).ranks, ElementsAre(1, 3));
  EXPECT_EQ(tree.common_tier(0, 1), Tier::kRack);
  EXPECT_DOUBLE_EQ(tree.node(tree.ancestor(0, Tier::kNode)).egress_bytes_per_s, kTenGbit);
}

TEST(LocalityTree, FromHostsRejectsGapsAndDoubles) {
  EXPECT_THROW((void)LocalityTree::from_hosts({{0, 2}}, 1), Error);
  EXPECT_THROW((void)LocalityTree::from_hosts({{0, 0}}, 1), Error);
  EXPECT_THROW((void)LocalityTree::from_hosts({{0}, {}}, 1), Error);
}

TEST(LocalityTreeProperty, AnyAssignmentAndOrderGivesTheRightAncestors) {
  const bool ok = rc::check("ranks share a subtree exactly when their hosts do", [] {
    const int num_hosts = *rc::gen::inRange(1, 9);
    const auto host_of =
        *rc::gen::container<std::vector<int>>(*rc::gen::inRange(1, 40), rc::gen::inRange(0, num_hosts));
    GraphBuilder builder;
    const std::vector<int> leaves = {add_switch(builder, "l0"), add_switch(builder, "l1")};
    std::vector<int> hosts;
    for (int h = 0; h < num_hosts; ++h) {
      hosts.push_back(add_host(builder, "h" + std::to_string(h), leaves[static_cast<size_t>(h % 2)]));
    }
    for (const int host : host_of) {
      builder.add_rank(hosts[static_cast<size_t>(host)]);
    }
    std::vector<int> group(host_of.size());
    std::iota(group.begin(), group.end(), 0);
    const auto swaps =
        *rc::gen::container<std::vector<size_t>>(group.size(), rc::gen::inRange<size_t>(0, group.size()));
    for (size_t i = 0; i < swaps.size(); ++i) {
      std::swap(group[i], group[swaps[i]]);
    }
    group.resize(*rc::gen::inRange<size_t>(1, group.size() + 1));
    const LocalityTree tree = LocalityTree::derive(builder.graph(), group);
    for (size_t i = 0; i < group.size(); ++i) {
      const int rank = static_cast<int>(i);
      const int host = host_of[static_cast<size_t>(group[i])];
      RC_ASSERT(tree.node(tree.ancestor(rank, Tier::kNode)).name == "h" + std::to_string(host));
      for (size_t j = 0; j < group.size(); ++j) {
        const int other = host_of[static_cast<size_t>(group[j])];
        const Tier expected = i == j                  ? Tier::kSelf
                              : host == other         ? Tier::kDomain
                              : host % 2 == other % 2 ? Tier::kRack
                                                      : Tier::kCluster;
        RC_ASSERT(tree.common_tier(rank, static_cast<int>(j)) == expected);
      }
    }
    for (const TreeNode& node : tree.nodes()) {
      RC_ASSERT(std::is_sorted(node.ranks.begin(), node.ranks.end()));
      RC_ASSERT(!node.ranks.empty());
      size_t below = 0;
      for (const int child : node.children) {
        below += tree.node(child).ranks.size();
      }
      RC_ASSERT(node.children.empty() || below == node.ranks.size());
    }
  });
  EXPECT_TRUE(ok);
}

}  // namespace
}  // namespace banyan::topology
