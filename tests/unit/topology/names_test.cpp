// SPDX-License-Identifier: Apache-2.0
#include "topology/names.hpp"

#include <gtest/gtest.h>

#include "topology/link_speed.hpp"

namespace banyan::topology {
namespace {

TEST(Names, KindsGoThereAndBack) {
  for (int kind = 0; kind <= static_cast<int>(VertexKind::kRank); ++kind) {
    EXPECT_EQ(vertex_kind(kind_name(static_cast<VertexKind>(kind))), static_cast<VertexKind>(kind));
  }
  for (int kind = 0; kind <= static_cast<int>(LinkKind::kNetwork); ++kind) {
    EXPECT_EQ(link_kind(kind_name(static_cast<LinkKind>(kind))), static_cast<LinkKind>(kind));
  }
  EXPECT_EQ(vertex_kind("toaster"), std::nullopt);
}

TEST(Names, PlainTextIsUtf8WithoutControls) {
  EXPECT_TRUE(is_plain_text("node-0 Größe 網 \xf0\x9f\x8c\xb3"));
  for (const char* bad : {"a\nb", "\x1b[31m", "\x7f", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80",
                          "\xc2\x85", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\x80"}) {
    EXPECT_FALSE(is_plain_text(bad)) << bad;
  }
}

TEST(Names, ToPlainTextCutsAndReplaces) {
  EXPECT_EQ(to_plain_text("a\nb\xff"), "a?b?");
  EXPECT_EQ(to_plain_text("abcdef", 3), "abc");
}

TEST(Names, RatesAreShortAndHaveUnits) {
  EXPECT_EQ(bit_rate_text(1.25e9), "10 Gbit/s");
  EXPECT_EQ(bit_rate_text(0.3125e9), "2.5 Gbit/s");
  EXPECT_EQ(bit_rate_text(1.6e12), "12.8 Tbit/s");
  EXPECT_EQ(byte_rate_text(31.508e9), "31.5 GB/s");
  EXPECT_EQ(byte_rate_text(999.99e6), "1 GB/s");
  EXPECT_EQ(bit_rate_text(0), "unknown");
}

TEST(Names, RangesJoinNeighbours) {
  EXPECT_EQ(ranges_text({0, 1, 2, 5, 7, 8}), "0-2,5,7-8");
  EXPECT_EQ(ranges_text({}), "");
}

TEST(LinkSpeed, PciFollowsTheLineCode) {
  EXPECT_NEAR(pci_bandwidth_bytes_per_s(16, 16), 31.5e9, 0.1e9);
  EXPECT_NEAR(pci_bandwidth_bytes_per_s(2.5, 1), 250e6, 1);
  EXPECT_EQ(pci_bandwidth_bytes_per_s(16, 0), 0);
  EXPECT_EQ(parse_gt_per_s("32.0 GT/s PCIe"), 32.0);
  EXPECT_EQ(parse_gt_per_s("Unknown"), std::nullopt);
  EXPECT_EQ(nvlink_bandwidth_bytes_per_s(90) * 18, 450e9);
}

}  // namespace
}  // namespace banyan::topology
