// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/error.hpp"
#include "fixtures.hpp"
#include "topology/host_facts.hpp"
#include "topology/locality_tree.hpp"
#include "topology/render.hpp"

namespace banyan::topology {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// What a rank on `host` discovers.
HostFacts facts(const std::string& host, double nic_bytes_per_s = 1.25e9) {
  HostFacts result;
  result.key = result.name = host;
  result.memory_domain = "m";
  result.numas = {{0, -1, 4, 0}, {1, -1, 4, 0}};
  NicFacts nic;
  nic.name = "eth0";
  nic.state = "up";
  nic.bytes_per_s = nic_bytes_per_s;
  result.nics = {nic};
  return result;
}

Graph part(const std::string& host) { return host_graph(facts(host)); }

std::string mismatch(const std::vector<Graph>& parts) {
  try {
    (void)merge(parts);
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), BANYAN_ERR_MISMATCH);
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return {};
}

TEST(Merge, HostsOfEqualKeyAreOne) {
  const std::vector<Graph> parts = {part("b"), part("a"), part("b")};
  const Graph graph = merge(parts);
  EXPECT_EQ(graph.num_ranks(), 3);
  EXPECT_EQ(num_hosts(graph), 2);
  EXPECT_THAT(hosts_of_ranks(graph), ElementsAre(0, 1, 0));
  const LocalityTree tree = LocalityTree::derive(graph);
  EXPECT_TRUE(tree.mapped(0, 2));
  EXPECT_EQ(tree.common_tier(0, 1), Tier::kRack);
  EXPECT_DOUBLE_EQ(tree.node(tree.ancestor(1, Tier::kNode)).egress_bytes_per_s, 1.25e9);
}

TEST(Merge, EachRankKeepsItsPlaceAndMemoryDomain) {
  HostFacts second = facts("a");
  second.rank_numa = 1;
  second.memory_domain = "other";
  const std::vector<Graph> parts = {part("a"), host_graph(second)};
  const Graph graph = merge(parts);
  EXPECT_EQ(bandwidth(graph, "rank:1", "host:a/numa:1"), 0);
  EXPECT_EQ(LocalityTree::derive(graph).common_tier(0, 1), Tier::kNode);
}

TEST(Merge, DifferentNicRatesOfOneHostAreAMismatch) {
  const std::string text = mismatch({part("a"), part("b"), host_graph(facts("a", 2.5e9))});
  EXPECT_THAT(text, HasSubstr("ranks 0 and 2"));
  EXPECT_THAT(text, HasSubstr("eth0 up 10 Gbit/s"));
}

TEST(Merge, MissingNicAndOtherNameAreAMismatch) {
  HostFacts bare = facts("a");
  bare.nics.clear();
  EXPECT_THAT(mismatch({part("a"), host_graph(bare)}), HasSubstr("no such interface"));
  HostFacts renamed = facts("a");
  renamed.name = "z";
  EXPECT_THAT(mismatch({part("a"), host_graph(renamed)}), HasSubstr("\"z\""));
}

TEST(Merge, PartOfSeveralRanksIsRejected) {
  const std::vector<Graph> parts = {synthetic("1:2")};
  EXPECT_THROW((void)merge(parts), Error);
}

TEST(Merge, BrokenPartNamesItsRank) {
  std::vector<Graph> parts = {part("a"), part("b")};
  parts[1].links.pop_back();
  try {
    (void)merge(parts);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), BANYAN_ERR_FORMAT);
    EXPECT_THAT(error.what(), HasSubstr("rank 1"));
  }
}

TEST(Merge, NicsWithoutANetworkHangOnTheFabric) {
  Graph graph = part("a");
  std::erase_if(graph.links, [](const Link& link) { return link.kind == LinkKind::kNetwork; });
  std::erase_if(graph.vertices, [](const Vertex& vertex) { return vertex.kind == VertexKind::kSwitch; });
  for (Link& link : graph.links) {  // the switch stood before the rank
    link.from -= link.from > 4 ? 1 : 0;
    link.to -= link.to > 4 ? 1 : 0;
  }
  graph.rank_vertex = {static_cast<int>(graph.vertices.size()) - 1};
  ASSERT_EQ(check(graph), "");
  EXPECT_EQ(bandwidth(merge({&graph, 1}), "host:a/nic:eth0", "switch:fabric"), 0);
}

TEST(MergeProperty, EveryRankIsOnItsHostInAnyOrder) {
  const bool ok = rc::check("merge keeps who is where and is deterministic", [] {
    const auto hosts = *rc::gen::nonEmpty(rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 6)));
    std::vector<Graph> parts;
    for (const int host : hosts) {
      parts.push_back(part("h" + std::to_string(host)));
    }
    const Graph graph = merge(parts);
    RC_ASSERT(graph == merge(parts));
    RC_ASSERT(check(graph).empty());
    const LocalityTree tree = LocalityTree::derive(graph);
    for (size_t rank = 0; rank < hosts.size(); ++rank) {
      RC_ASSERT(tree.node(tree.ancestor(static_cast<int>(rank), Tier::kNode)).name ==
                "h" + std::to_string(hosts[rank]));
    }
  });
  EXPECT_TRUE(ok);
}

TEST(Overlay, SlurmFileAddsRacksAndKeepsRates) {
  const std::vector<Graph> parts = {part("node0"), part("node04"), part("node1")};
  Graph graph = merge(parts);
  overlay_switches(graph, from_slurm_conf(fixture("slurm-2leaf-1spine.conf")).value("fixture"));
  EXPECT_EQ(check(graph), "");
  const LocalityTree tree = LocalityTree::derive(graph);
  EXPECT_EQ(tree.common_tier(0, 2), Tier::kRack);
  EXPECT_EQ(tree.common_tier(0, 1), Tier::kCluster);
  EXPECT_EQ(tree.node(tree.ancestor(1, Tier::kRack)).name, "leaf1");
  EXPECT_DOUBLE_EQ(tree.node(tree.ancestor(1, Tier::kNode)).egress_bytes_per_s, 1.25e9);
}

TEST(Overlay, FileGivesUnknownRatesAndUplinks) {
  const std::vector<Graph> parts = {host_graph(facts("node0", 0)), host_graph(facts("node1", 0))};
  Graph graph = merge(parts);
  overlay_switches(graph, synthetic("2:1 nic=40gbit racks=2 uplink=10gbit"));
  const LocalityTree tree = LocalityTree::derive(graph);
  EXPECT_DOUBLE_EQ(tree.node(tree.ancestor(0, Tier::kNode)).egress_bytes_per_s, 5e9);
  EXPECT_DOUBLE_EQ(tree.node(tree.ancestor(1, Tier::kRack)).egress_bytes_per_s, 1.25e9);
}

TEST(Overlay, HostWithoutNicsTakesThoseOfTheFile) {
  HostFacts bare = facts("node1");
  bare.nics.clear();
  const std::vector<Graph> parts = {part("node0"), host_graph(bare)};
  Graph graph = merge(parts);
  overlay_switches(graph, synthetic("2:1 nic=40gbit racks=2"));
  EXPECT_DOUBLE_EQ(bandwidth(graph, "host:node1/nic:eth0", "switch:leaf1"), 5e9);
}

TEST(Overlay, UnknownHostIsAMismatchAndChangesNothing) {
  const std::vector<Graph> parts = {part("elsewhere")};
  Graph graph = merge(parts);
  const Graph before = graph;
  try {
    overlay_switches(graph, synthetic("2:1"));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), BANYAN_ERR_MISMATCH);
    EXPECT_THAT(error.what(), HasSubstr("elsewhere"));
  }
  EXPECT_EQ(graph, before);
}

}  // namespace
}  // namespace banyan::topology
