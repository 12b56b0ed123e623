// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "system_tree.hpp"
#include "topology/sources/sources.hpp"

namespace banyan::topology {
namespace {

using testing::HasSubstr;

std::vector<NicFacts> read(const SystemTree& tree, const std::vector<std::string>& names = {}) {
  HostFacts facts;
  read_sysfs_net(facts, tree.root(), names);
  return facts.nics;
}

std::vector<std::string> names_of(const std::vector<NicFacts>& nics) {
  std::vector<std::string> names;
  for (const NicFacts& nic : nics) {
    names.push_back(nic.name);
  }
  return names;
}

TEST(SysfsNet, PhysicalInterfaceHasRateDriverAndPlace) {
  SystemTree tree;
  tree.pci("0000:03:00.0", "16.0 GT/s PCIe", 8, 1);
  tree.interface("ens3", 2, 2, "up", 25000);
  tree.link("class/net/ens3/device", SystemTree::device("0000:03:00.0"));
  tree.link(SystemTree::device("0000:03:00.0") + "/driver", "bus/pci/drivers/mlx5_core");
  const std::vector<NicFacts> nics = read(tree);
  ASSERT_EQ(nics.size(), 1U);
  EXPECT_DOUBLE_EQ(nics[0].bytes_per_s, 25e9 / 8);
  EXPECT_EQ(nics[0].driver, "mlx5_core");
  EXPECT_EQ(nics[0].pci, "0000:03:00.0");
  EXPECT_EQ(nics[0].numa, 1);
  EXPECT_EQ(nics[0].mtu, 1500);
  EXPECT_NEAR(nics[0].pci_bytes_per_s, 15.75e9, 0.1e9) << "the device's 8 lanes, not the port's 16";
}

TEST(SysfsNet, WhatDoesNotLeaveTheHostIsSkipped) {
  SystemTree tree;
  tree.interface("lo", 1, 1, "unknown", 0);
  tree.write("class/net/lo/type", "772");
  tree.interface("docker0", 3, 3, "up", 10000);
  tree.write("class/net/docker0/bridge/forward_delay", "0");
  tree.interface("veth12ab", 4, 9, "up", 10000);
  tree.write("class/net/veth12ab/brport/state", "3");
  tree.interface("ifb0", 5, 5, "up", 0);
  tree.interface("tun0", 6, 6, "up", 10);
  tree.write("class/net/tun0/tun_flags", "0x1001");
  tree.interface("eth0.7", 7, 2, "up", 10000);
  tree.write("class/net/eth0.7/uevent", "DEVTYPE=vlan\nINTERFACE=eth0.7");
  tree.interface("eth1", 8, 99, "down", 10000);
  EXPECT_THAT(read(tree), testing::IsEmpty());
}

TEST(SysfsNet, NamespaceEndOfAVirtualPairCounts) {
  SystemTree tree;
  tree.interface("eth0", 2, 7, "up", 10000);
  tree.interface("eth1", 3, 3, "up", 10000);  // the peer's index happens to be the same
  const std::vector<NicFacts> nics = read(tree);
  EXPECT_THAT(names_of(nics), testing::ElementsAre("eth0", "eth1"));
  EXPECT_EQ(nics[0].driver, "veth");
  EXPECT_DOUBLE_EQ(nics[0].bytes_per_s, 1.25e9);
}

TEST(SysfsNet, BondCountsOnceInsteadOfItsSlaves) {
  SystemTree tree;
  tree.interface("bond0", 5, 5, "up", 50000);
  tree.write("class/net/bond0/bonding/mode", "802.3ad 4");
  for (const char* slave : {"ens1", "ens2"}) {
    tree.interface(slave, 6, 6, "up", 25000);
    tree.link(std::string("class/net/") + slave + "/device", std::string("devices/") + slave);
    tree.write(std::string("class/net/") + slave + "/bonding_slave/state", "active");
  }
  EXPECT_THAT(names_of(read(tree)), testing::ElementsAre("bond0"));
}

TEST(SysfsNet, UnknownSpeedIsZero) {
  SystemTree tree;
  tree.interface("eth0", 2, 2, "up", -1);
  tree.link("class/net/eth0/device", "devices/virtio0");
  EXPECT_EQ(read(tree).at(0).bytes_per_s, 0);
}

TEST(SysfsNet, NamedInterfacesAreTakenAsTheyAre) {
  SystemTree tree;
  tree.interface("lo", 1, 1, "unknown", 0);
  tree.write("class/net/lo/type", "772");
  tree.interface("eth1", 8, 99, "down", 10000);
  const std::vector<NicFacts> nics = read(tree, {"lo", "eth1"});
  EXPECT_THAT(names_of(nics), testing::ElementsAre("eth1", "lo"));
  EXPECT_EQ(nics[0].state, "down");
}

TEST(SysfsNet, MissingInterfaceNamesThoseThatExist) {
  SystemTree tree;
  tree.interface("eth0", 2, 7, "up", 10000);
  try {
    (void)read(tree, {"eth9"});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), BANYAN_ERR_NOT_FOUND);
    EXPECT_THAT(error.what(), HasSubstr("\"eth9\" does not exist here; there are eth0"));
  }
}

/// An InfiniBand adapter of two ports; the first has an interface.
void add_infiniband(const SystemTree& tree) {
  tree.pci("0000:03:00.0", "32.0 GT/s PCIe", 16, 0);
  tree.link("class/infiniband/mlx5_0/device", SystemTree::device("0000:03:00.0"));
  tree.write("class/infiniband/mlx5_0/ports/1/state", "4: ACTIVE");
  tree.write("class/infiniband/mlx5_0/ports/1/rate", "400 Gb/sec (4X NDR)");
  tree.write("class/infiniband/mlx5_0/ports/2/state", "4: ACTIVE");
  tree.write("class/infiniband/mlx5_0/ports/2/rate", "200 Gb/sec (4X HDR)");
  tree.write("class/infiniband/mlx5_0/ports/3/state", "1: DOWN");
  tree.write(SystemTree::device("0000:03:00.0") + "/net/ib0/dev_port", "0");
  tree.interface("ib0", 4, 4, "up", 0);
  tree.link("class/net/ib0/device", SystemTree::device("0000:03:00.0"));
}

TEST(Rdma, PortAndItsInterfaceAreOneNic) {
  SystemTree tree;
  add_infiniband(tree);
  const std::vector<NicFacts> nics = read(tree, {"ib0"});
  ASSERT_THAT(names_of(nics), testing::ElementsAre("ib0"));
  EXPECT_EQ(nics[0].rdma, "mlx5_0:1");
  EXPECT_DOUBLE_EQ(nics[0].bytes_per_s, 50e9);
}

TEST(Rdma, PortWithoutInterfaceIsANicOfItsOwn) {
  SystemTree tree;
  add_infiniband(tree);
  const std::vector<NicFacts> nics = read(tree);
  ASSERT_THAT(names_of(nics), testing::ElementsAre("ib0", "mlx5_0:2"));
  EXPECT_DOUBLE_EQ(nics[1].bytes_per_s, 25e9);
  EXPECT_NEAR(nics[1].pci_bytes_per_s, 63e9, 0.1e9);
  EXPECT_THAT(names_of(read(tree, {"mlx5_0:2"})), testing::ElementsAre("mlx5_0:2"));
}

}  // namespace
}  // namespace banyan::topology
