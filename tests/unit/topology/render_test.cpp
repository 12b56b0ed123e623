// SPDX-License-Identifier: Apache-2.0
#include "topology/render.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "fixtures.hpp"
#include "topology/graph_builder.hpp"

namespace banyan::topology {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(RenderText, LikeHostsAreOneAndOthersNumberTheirRanks) {
  EXPECT_EQ(render_text(synthetic("3:[2,2,1] nic=[10gbit,10gbit,25gbit]")),
            "5 ranks on 3 hosts\n"
            "hosts node0 to node1  2 alike, ranks 0-3, each\n"
            "  NIC eth0  10 Gbit/s\n"
            "  2 ranks\n"
            "host node2  1 rank\n"
            "  NIC eth0  25 Gbit/s to fabric\n"
            "  rank 4\n"
            "switch fabric  3 NICs\n"
            "\n"
            "tier      groups  ranks each           nominal egress each\n"
            "domain         3  2, 1                 -\n"
            "node           3  2, 1                 10 Gbit/s, 25 Gbit/s\n"
            "rack           1  5                    -\n"
            "cluster        1  5                    -\n");
}

TEST(RenderText, LikeGpusAreOneLine) {
  const std::string text = render_text(from_nccl_xml(fixture("nccl-nvswitch-8gpu-8nic.xml")).value("fixture"));
  EXPECT_THAT(text, HasSubstr("GPU 0 to GPU 3  4 alike, ranks 0-3, each  NVLink 450 GB/s to 4 NVSwitches"));
  EXPECT_THAT(text, HasSubstr("NIC mlx5_0 to NIC mlx5_3  4 alike, each  400 Gbit/s"));
}

TEST(RenderText, LikePartsOfOneNameAreCounted) {
  GraphBuilder builder;
  const int host = builder.add(VertexKind::kHost, "host:x", "x");
  for (const char* key : {"host:x/gpu:1", "host:x/gpu:2"}) {
    builder.join(host, builder.add(VertexKind::kGpu, key, "NVIDIA H200"), LinkKind::kPci, 63e9);
  }
  EXPECT_THAT(render_text(builder.graph()), HasSubstr("  2 x NVIDIA H200, each  PCIe 63 GB/s\n"));
}

TEST(RenderText, SwitchesWithoutRanksAreListed) {
  const std::string text = render_text(from_slurm_conf(fixture("slurm-2leaf-1spine.conf")).value("fixture"));
  EXPECT_THAT(text, HasSubstr("switches leaf0 to leaf1  2 alike; each 4 NICs, unknown rate to 1 switch\n"));
  EXPECT_THAT(text, Not(HasSubstr("tier")));
}

TEST(RenderMatrix, TiersOfEveryPair) {
  const std::string text = render_matrix(synthetic("3:[2,1,1] nic=10gbit racks=[2,1]"));
  EXPECT_THAT(text, HasSubstr("rank  0 1 2 3  host  NIC\n"
                              "0     X D R C  node0  10 Gbit/s x1\n"
                              "1     D X R C  node0  10 Gbit/s x1\n"
                              "2     R R X C  node1  10 Gbit/s x1\n"
                              "3     C C C X  node2  10 Gbit/s x1\n"));
  EXPECT_THAT(text, HasSubstr("D  same domain"));
}

TEST(RenderMatrix, ManyRanksAreDrawnByHost) {
  const std::string text = render_matrix(synthetic("3:64 racks=[2,1]"));
  EXPECT_THAT(text, HasSubstr("host  0 1 2  name"));
  EXPECT_THAT(text, HasSubstr("1     R D C  node1  unknown x1  ranks 64-127"));
}

TEST(RenderMatrix, TooManyHostsAreRefused) {
  try {
    (void)render_matrix(synthetic("600:1"));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), BANYAN_ERR_LIMIT);
  }
}

size_t occurrences(const std::string& text, const std::string& piece) {
  size_t count = 0;
  for (size_t at = text.find(piece); at != std::string::npos; at = text.find(piece, at + 1)) {
    ++count;
  }
  return count;
}

TEST(RenderSvg, EveryHostRackAndRankIsDrawn) {
  const std::string svg = render_svg(synthetic("4:4 nic=10gbit racks=2 uplink=20gbit"));
  EXPECT_EQ(occurrences(svg, "class=\"box host\""), 4U);
  EXPECT_EQ(occurrences(svg, "class=\"box rack\""), 3U) << "two racks and the cluster";
  EXPECT_EQ(occurrences(svg, "class=\"chip\""), 16U);
  EXPECT_EQ(occurrences(svg, ">10 Gbit/s</text>"), 4U);
  EXPECT_EQ(occurrences(svg, ">20 Gbit/s</text>"), 2U);
}

TEST(RenderSvg, NamesAreEscaped) {
  GraphBuilder builder;
  const int host = builder.add(VertexKind::kHost, "host:x", "<script>&\"");
  builder.add_rank(host);
  const std::string svg = render_svg(builder.graph());
  EXPECT_THAT(svg, HasSubstr("&lt;script&gt;&amp;&quot;"));
  EXPECT_THAT(svg, Not(HasSubstr("<script>")));
}

TEST(RenderSvg, VeryManyHostsAreCounted) {
  const std::string svg = render_svg(synthetic("300:1"));
  EXPECT_EQ(occurrences(svg, "class=\"box host\""), 256U);
  EXPECT_THAT(svg, HasSubstr("and 44 more hosts"));
}

TEST(RenderSvg, HostsWithoutRanksAreDrawn) {
  const std::string svg = render_svg(from_slurm_conf(fixture("slurm-2leaf-1spine.conf")).value("fixture"));
  EXPECT_EQ(occurrences(svg, "class=\"box host\""), 8U);
  EXPECT_EQ(occurrences(svg, "class=\"chip\""), 0U);
  EXPECT_THAT(svg, HasSubstr("8 hosts"));
}

TEST(RenderSvg, EmptyGraphIsStillAPicture) { EXPECT_THAT(render_svg(Graph{}), HasSubstr("</svg>")); }

TEST(Counts, HostsInOrderOfFirstRank) {
  const Graph graph = synthetic("3:[2,1,2] order=cyclic");
  EXPECT_EQ(num_hosts(graph), 3);
  EXPECT_THAT(hosts_of_ranks(graph), testing::ElementsAre(0, 1, 2, 0, 2));
}

}  // namespace
}  // namespace banyan::topology
