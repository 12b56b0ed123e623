// SPDX-License-Identifier: Apache-2.0
#include "topology/discover.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "fixtures.hpp"
#include "system_tree.hpp"
#include "topology/locality_tree.hpp"
#include "topology/sources/sources.hpp"

namespace banyan::topology {
namespace {

HostFacts replay(const std::string& name, const std::vector<int>& allowed_cpus = {}) {
  HostFacts facts;
  facts.key = facts.name = "recorded";
  read_hwloc(facts, {.xml = fixture(name), .allowed_cpus = allowed_cpus});
  return facts;
}

TEST(Hwloc, TwoPackagesWithGpusAndNics) {
  const HostFacts facts = replay("hwloc-2package-2gpu-2nic.xml");
  EXPECT_EQ(facts.num_cores, 8);
  ASSERT_EQ(facts.packages.size(), 2U);
  EXPECT_EQ(facts.packages[1].model, "Example CPU <X>");
  EXPECT_EQ(facts.packages[1].num_cores, 4);
  ASSERT_EQ(facts.numas.size(), 2U);
  EXPECT_EQ(facts.numas[1].package, 1);
  EXPECT_EQ(facts.numas[0].memory_bytes, uint64_t{64} << 30);
  ASSERT_EQ(facts.gpus.size(), 2U) << "the BMC's VGA device is not a GPU";
  EXPECT_EQ(facts.gpus[1].pci, "0000:98:00.0");
  EXPECT_EQ(facts.gpus[1].numa, 1);
  ASSERT_EQ(facts.nics.size(), 2U);
  EXPECT_EQ(facts.nics[0].name, "ens0f0");
  EXPECT_EQ(facts.nics[0].pci, "0000:19:00.0");
  EXPECT_NEAR(facts.nics[0].pci_bytes_per_s, 63e9, 0.1e9);
}

TEST(Hwloc, BoundProcessHangsBelowItsNumaNode) {
  const HostFacts bound = replay("hwloc-2package-2gpu-2nic.xml", {5, 6});
  EXPECT_EQ(bound.rank_numa, 1);
  EXPECT_EQ(bandwidth(host_graph(bound), "rank:0", "host:recorded/numa:1"), 0);
  const HostFacts both = replay("hwloc-2package-2gpu-2nic.xml", {3, 4});
  EXPECT_EQ(both.rank_numa, -1);
  EXPECT_EQ(bandwidth(host_graph(both), "rank:0", "host:recorded"), 0);
}

TEST(Hwloc, RecordedVmGivesAValidGraph) {
  const Graph graph = host_graph(replay("hwloc-vm-1package-1nic.xml"));
  EXPECT_EQ(check(graph), "");
  EXPECT_EQ(vertex_of(graph, "host:recorded/nic:eth0").attributes.at("pci"), "0000:00:03.0");
}

TEST(Hwloc, BrokenXmlIsAnError) {
  HostFacts facts;
  EXPECT_THROW(read_hwloc(facts, {.xml = "<topology", .allowed_cpus = {}}), Error);
}

TEST(Hwloc, NicKeepsThePlaceThatHwlocKnows) {
  SystemTree tree;
  tree.interface("ens1f0", 2, 2, "up", 400000);
  tree.link("class/net/ens1f0/device", "devices/elsewhere");
  HostFacts facts = replay("hwloc-2package-2gpu-2nic.xml");
  read_sysfs_net(facts, tree.root(), {});
  ASSERT_EQ(facts.nics.size(), 1U);
  EXPECT_EQ(facts.nics[0].numa, 1);
}

/// /proc of a process in a namespace.
void write_proc(const SystemTree& tree, const std::string& boot_id, const std::string& net) {
  tree.write("sys/kernel/random/boot_id", boot_id);
  std::filesystem::create_directories(tree.root() + "/self/ns");
  std::filesystem::create_symlink("net:[" + net + "]", tree.root() + "/self/ns/net");
  std::filesystem::create_symlink("pid:[1]", tree.root() + "/self/ns/pid");
}

HostFacts identity(const SystemTree& tree, const std::string& host_id = "") {
  HostFacts facts;
  read_identity(facts, {.sys = "", .proc = tree.root(), .shm = tree.root()}, host_id);
  return facts;
}

TEST(Identity, SameBootAndNamespaceIsOneHost) {
  SystemTree a;
  SystemTree b;
  write_proc(a, "5eed-1", "100");
  write_proc(b, "5eed-1", "100");
  EXPECT_EQ(identity(a).key, identity(b).key);
  EXPECT_EQ(identity(a).memory_domain, identity(b).memory_domain);
}

TEST(Identity, OtherBootOrNetworkNamespaceIsAnotherHost) {
  SystemTree a;
  SystemTree other_boot;
  SystemTree other_net;
  write_proc(a, "5eed-1", "100");
  write_proc(other_boot, "5eed-2", "100");
  write_proc(other_net, "5eed-1", "101");
  EXPECT_NE(identity(a).key, identity(other_boot).key);
  EXPECT_NE(identity(a).memory_domain, identity(other_boot).memory_domain);
  EXPECT_NE(identity(a).key, identity(other_net).key);
}

TEST(Identity, HostIdOverridesTheKeyButNotTheMemoryDomain) {
  SystemTree a;
  SystemTree b;
  write_proc(a, "5eed-1", "100");
  write_proc(b, "5eed-2", "100");
  EXPECT_EQ(identity(a, "mine").key, "mine");
  EXPECT_NE(identity(a, "mine").memory_domain, identity(b, "mine").memory_domain);
  EXPECT_THROW((void)identity(a, "a/b"), Error);
}

TEST(Discover, ThisHostIsAValidGraphOfOneRank) {
  const Graph graph = discover_host({});
  EXPECT_EQ(check(graph), "");
  EXPECT_EQ(graph.num_ranks(), 1);
  EXPECT_EQ(graph, discover_host({})) << "two looks at one host agree";
  EXPECT_EQ(from_json(to_json(graph)).value("json"), graph);
}

TEST(Discover, TwoRanksOfThisHostShareADomain) {
  const std::vector<Graph> parts = {discover_host({}), discover_host({})};
  EXPECT_TRUE(LocalityTree::derive(merge(parts)).mapped(0, 1));
}

TEST(Discover, HostIdsSplitThisHost) {
  const std::vector<Graph> parts = {discover_host({.host_id = "a", .interface_name = "lo"}),
                                    discover_host({.host_id = "b", .interface_name = " lo "})};
  const Graph graph = merge(parts);
  EXPECT_FALSE(LocalityTree::derive(graph).same_host(0, 1));
  EXPECT_EQ(vertex_of(graph, "host:b/nic:lo").name, "lo");
}

TEST(Discover, UnknownInterfaceIsNotFound) {
  try {
    (void)discover_host({.host_id = "", .interface_name = "no-such-nic0"});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), BANYAN_ERR_NOT_FOUND);
  }
}

}  // namespace
}  // namespace banyan::topology
