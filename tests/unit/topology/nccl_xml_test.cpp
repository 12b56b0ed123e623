// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fixtures.hpp"
#include "topology/locality_tree.hpp"

namespace banyan::topology {
namespace {

using testing::HasSubstr;

TEST(NcclXml, NvSwitchHostIsOneDomainWithEightNics) {
  const Graph graph = from_nccl_xml(fixture("nccl-nvswitch-8gpu-8nic.xml")).value("fixture");
  const LocalityTree tree = LocalityTree::derive(graph);
  ASSERT_EQ(tree.num_ranks(), 8);
  EXPECT_TRUE(tree.mapped(0, 7));
  EXPECT_EQ(tree.node(tree.ancestor(0, Tier::kNode)).num_nics, 8);
  EXPECT_DOUBLE_EQ(tree.node(tree.ancestor(0, Tier::kNode)).egress_bytes_per_s, 8 * 50e9);
  double nvlink = 0;
  for (const char* bus : {"04", "05", "06", "07", "08"}) {
    const std::string nvswitch = "host:0x5eed00000001/nvswitch:0000:" + std::string(bus) + ":00.0";
    nvlink += std::max(0.0, bandwidth(graph, "host:0x5eed00000001/gpu:0000:12:00.0", nvswitch));
  }
  EXPECT_DOUBLE_EQ(nvlink, 450e9) << "18 links of 25 GB/s over four NVSwitches";
  EXPECT_EQ(vertex_of(graph, "rank:5").attributes.at("nccl_rank"), "5");
}

TEST(NcclXml, PcieHostHasADomainPerNvlinkPair) {
  const Graph graph = from_nccl_xml(fixture("nccl-pcie-4gpu-1nic.xml")).value("fixture");
  const LocalityTree tree = LocalityTree::derive(graph);
  EXPECT_EQ(tree.common_tier(0, 1), Tier::kNode);
  EXPECT_EQ(tree.common_tier(1, 3), Tier::kDomain);
  EXPECT_NEAR(bandwidth(graph, "host:nccl/numa:1", "host:nccl/gpu:0000:81:00.0"), 15.75e9, 0.1e9)
      << "the slower switch port counts";
  EXPECT_EQ(bandwidth(graph, "host:nccl/numa:1", "host:nccl/gpu:0000:c1:00.0"), 0) << "empty link_speed is unknown";
}

TEST(NcclXml, HostHashesSplitHosts) {
  const auto result = from_nccl_xml(R"(<system version="1">
    <cpu host_hash="0x1" numaid="0"><pci busid="0000:01:00.0"><gpu dev="0" sm="90" rank="1"/></pci></cpu>
    <cpu host_hash="0x2" numaid="0"><pci busid="0000:01:00.0"><gpu dev="0" sm="90" rank="0"/></pci></cpu></system>)");
  const LocalityTree tree = LocalityTree::derive(result.value("xml"));
  EXPECT_EQ(tree.node(tree.ancestor(0, Tier::kNode)).key, "host:0x2") << "ranks are numbered as NCCL did";
  EXPECT_FALSE(tree.same_host(0, 1));
}

struct BadFile {
  const char* text;
  const char* message;
};

class NcclXmlRejects : public testing::TestWithParam<BadFile> {};

TEST_P(NcclXmlRejects, WithReason) {
  const auto result = from_nccl_xml(GetParam().text);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.describe("f"), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    NcclXml, NcclXmlRejects,
    testing::Values(
        BadFile{"<topology/>", "expected <system>"}, BadFile{"<system version=\"2\"/>", "version 2"},
        BadFile{"<system version=\"1\"/>", "no <cpu>"},
        BadFile{"<system><cpu numaid=\"x\"/></system>", "expected an integer"},
        BadFile{"<system><cpu numaid=\"0\"/><cpu numaid=\"0\"/></system>", "appears twice"},
        BadFile{"<system><cpu><gpu dev=\"0\"/></cpu></system>", "not inside a <pci>"},
        BadFile{"<system><cpu>\n<nic><net dev=\"0\"/></nic></cpu></system>", "f:2:6: <net>: attribute name"},
        BadFile{"<system><cpu><nic><net name=\"a\" speed=\"-5\"/></nic></cpu></system>", "speed is -5"},
        BadFile{"<system><cpu><nic><net name=\"a\"/><net name=\"a\"/></nic></cpu></system>", "second <net>"},
        BadFile{"<system><cpu><pci busid=\"1\"><gpu sm=\"99999\"/></pci></cpu></system>", "sm is 99999"}));

}  // namespace
}  // namespace banyan::topology
