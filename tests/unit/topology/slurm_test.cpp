// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fixtures.hpp"
#include "topology/sources/hostlist.hpp"

namespace banyan::topology {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Hostlist, ExpandsRangesPaddingAndProducts) {
  EXPECT_THAT(expand_hostlist("n[0-2,7],gpu[08-10],login", 100).value("list"),
              ElementsAre("n0", "n1", "n2", "n7", "gpu08", "gpu09", "gpu10", "login"));
  EXPECT_THAT(expand_hostlist("r[0-1]n[1-2]x", 100).value("list"), ElementsAre("r0n1x", "r0n2x", "r1n1x", "r1n2x"));
}

struct BadList {
  const char* text;
  const char* message;
};

class HostlistRejects : public testing::TestWithParam<BadList> {};

TEST_P(HostlistRejects, WithReason) {
  const auto result = expand_hostlist(GetParam().text, 1000);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message, HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(Hostlist, HostlistRejects,
                         testing::Values(BadList{"", "empty name"}, BadList{"a,,b", "empty name"},
                                         BadList{"a[", "expected a number"}, BadList{"a[1-", "expected a number"},
                                         BadList{"a[3-1]", "backwards"}, BadList{"a[0-999999999]", "more than 1000"},
                                         BadList{"a[0-99]b[0-99]", "more than 1000"}, BadList{"a[1", "not closed"},
                                         BadList{"a[0][0][0][0][0]", "brackets"}, BadList{"a/b", "unexpected"},
                                         BadList{"a[99999999999999999999]", "1 to 9 digits"}));

TEST(SlurmConf, SwitchesAndHostsComeFromTheFile) {
  const Graph graph = from_slurm_conf(fixture("slurm-2leaf-1spine.conf")).value("fixture");
  EXPECT_EQ(graph.num_ranks(), 0);
  EXPECT_EQ(vertex_of(graph, "switch:leaf1").attributes.at("link_speed"), "100");
  EXPECT_EQ(bandwidth(graph, "host:node05/nic:net", "switch:leaf1"), 0);
  EXPECT_EQ(bandwidth(graph, "switch:leaf0", "switch:spine"), 0);
  EXPECT_EQ(bandwidth(graph, "host:gpu7/nic:net", "switch:leaf0"), -1);
}

class SlurmConfRejects : public testing::TestWithParam<BadList> {};

TEST_P(SlurmConfRejects, WithLine) {
  const auto result = from_slurm_conf(GetParam().text);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.describe("t.conf"), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    SlurmConf, SlurmConfRejects,
    testing::Values(
        BadList{"# nothing\n", "no SwitchName"}, BadList{"Nodes=a\n", "t.conf:1:1: line without SwitchName"},
        BadList{"SwitchName=s Nodes=a\nhello world\n", "t.conf:2:1: expected key=value"},
        BadList{"BlockName=b Nodes=a\n", "unknown key"}, BadList{"SwitchName=s Nodes=a[1-\n", "t.conf:1:24"},
        BadList{"SwitchName=s Nodes=a\nSwitchName=t Nodes=a\n", "node a is below two"},
        BadList{"SwitchName=s Switches=t\n", "t has no line"}, BadList{"SwitchName=s Switches=s\n", "below itself"},
        BadList{"SwitchName=s\nSwitchName=s\n", "appears twice"}, BadList{"SwitchName=s Nodes=a \\", "last line"}));

}  // namespace
}  // namespace banyan::topology
