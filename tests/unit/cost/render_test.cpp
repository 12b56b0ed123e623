// SPDX-License-Identifier: Apache-2.0
#include "cost/render.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/file.hpp"
#include "cost/quantity.hpp"

namespace banyan::cost {
namespace {

using testing::HasSubstr;
using testing::Not;

Profile of_hosts(size_t count, const std::string& name = "node") {
  Profile profile;
  profile.created = "2026-11-22T03:40:00Z";
  profile.transport = "shm,ucx";
  profile.num_ranks = static_cast<int>(2 * count);
  for (size_t i = 0; i < count; ++i) {
    profile.hosts.push_back({"host:" + std::to_string(i), name + std::to_string(i), 2, 12e6, 11e6});
  }
  for (size_t from = 0; from < count; ++from) {
    for (size_t to = 0; to < count; ++to) {
      profile.host_pair_bytes_per_s.push_back(from == to ? 0 : 1e6 * static_cast<double>(1 + from + to));
    }
  }
  return profile;
}

size_t occurrences(const std::string& text, const std::string& needle) {
  size_t count = 0;
  for (size_t at = text.find(needle); at != std::string::npos; at = text.find(needle, at + 1)) {
    ++count;
  }
  return count;
}

/// Whether every element that is opened is closed, in order, and attributes are quoted.
bool is_balanced_xml(const std::string& text) {
  std::vector<std::string> open;
  for (size_t at = text.find('<'); at != std::string::npos; at = text.find('<', at + 1)) {
    const size_t end = text.find('>', at);
    if (end == std::string::npos) {
      return false;
    }
    const std::string tag = text.substr(at + 1, end - at - 1);
    const std::string name = tag.substr(tag[0] == '/' ? 1 : 0, tag.find_first_of(" /", 1) - (tag[0] == '/' ? 1 : 0));
    if (std::count(tag.begin(), tag.end(), '"') % 2 != 0 || tag.find('<') != std::string::npos) {
      return false;
    }
    if (tag[0] == '/') {
      if (open.empty() || open.back() != tag.substr(1)) {
        return false;
      }
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(name);
    }
  }
  return open.empty();
}

TEST(Quantity, AnySizeThenThreeDigitsAndPrefix) {
  EXPECT_EQ(show_rate(0), "0 B/s");
  EXPECT_EQ(show_rate(11.9e6), "11.9 MB/s");
  EXPECT_EQ(show_rate(999.9e6), "1.00 GB/s");
  EXPECT_EQ(show_rate(123.4e9), "123 GB/s");
  EXPECT_EQ(show_time(41e-6), "41.0 us");
  EXPECT_EQ(show_time(2.5e-7), "250 ns");
  EXPECT_EQ(show_time(0), "0 s");
  EXPECT_EQ(show_time(3), "3.00 s");
}

TEST(RenderText, SampleThenTiersHostsAndPairs) {
  const Profile profile = profile_from_json(file::read(BANYAN_TEST_PROFILES "/two_hosts.json")).value("sample");
  const std::string text = render_profile_text(profile);
  EXPECT_THAT(text, HasSubstr("Profile of 4 ranks on 2 hosts over shm,ucx, 2026-11-22T03:40:00Z"));
  EXPECT_THAT(text, HasSubstr("rack                    41.0 us              3.60 us  1.90 us  23.7 MB/s"));
  EXPECT_THAT(text, HasSubstr("node1      2  11.9 MB/s  11.8 MB/s"));
  EXPECT_THAT(text, HasSubstr("one core 5.50 GB/s, all ranks of a host together 9.80 GB/s"));
  EXPECT_THAT(text, Not(HasSubstr("cluster"))) << "not measured, so not shown";
}

TEST(RenderText, InferredRacksThenTheirHostsAndLimits) {
  Profile profile = of_hosts(12);
  EXPECT_THAT(render_profile_text(profile), Not(HasSubstr("Uplinks")));
  profile.inferred_racks.emplace();
  EXPECT_THAT(render_profile_text(profile), HasSubstr("no shared uplink"));
  profile.inferred_racks = {{{0, 1}, 5e6, 0}, {{2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 0, 6e6}};
  const std::string text = render_profile_text(profile);
  EXPECT_THAT(text, HasSubstr("node0, node1  "));
  EXPECT_THAT(text, HasSubstr("node9 and 2 more"));
  EXPECT_THAT(text, HasSubstr("5.00 MB/s   no limit"));
}

TEST(RenderText, EmptyProfileThenStillText) { EXPECT_THAT(render_profile_text({}), HasSubstr("0 hosts")); }

TEST(RenderText, HostileNamesThenNoControlCharactersAndBounded) {
  Profile profile = of_hosts(2, "\x1b[2J\n" + std::string(500, 'x'));
  const std::string text = render_profile_text(profile);
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_LT(text.size(), 2000u);
}

TEST(RenderText, ManyHostsThenNoMatrix) {
  EXPECT_THAT(render_profile_text(of_hosts(17)), HasSubstr("17 hosts; see the JSON or SVG form"));
}

TEST(RenderSvg, AnyHostCountThenOneCellPerPairWithItsNumber) {
  for (const size_t hosts : {2u, 3u, 8u, 9u, 25u, 64u}) {
    const std::string svg = render_profile_svg(of_hosts(hosts));
    EXPECT_TRUE(is_balanced_xml(svg)) << hosts;
    EXPECT_EQ(occurrences(svg, "</title></rect>"), hosts * hosts);
    EXPECT_EQ(occurrences(svg, "text-anchor=\"middle\" font-size="), hosts * (hosts - 1)) << "numbers in cells";
    EXPECT_EQ(occurrences(svg, "not measured</title>"), hosts) << "the diagonal";
    EXPECT_THAT(svg, HasSubstr("node0 to node1: 2.00 MB/s"));
    EXPECT_THAT(svg, HasSubstr("rate (log scale)"));
  }
}

TEST(RenderSvg, TooManyHostsThenTheFirst) {
  const std::string svg = render_profile_svg(of_hosts(65));
  EXPECT_EQ(occurrences(svg, "</title></rect>"), 64u * 64u);
  EXPECT_THAT(svg, HasSubstr("the first 64 hosts"));
}

TEST(RenderSvg, HostileNamesThenEscaped) {
  const std::string svg = render_profile_svg(of_hosts(2, "</svg><script>\"&\x01"));
  EXPECT_TRUE(is_balanced_xml(svg));
  EXPECT_THAT(svg, Not(HasSubstr("<script")));
  EXPECT_THAT(svg, HasSubstr("&lt;/svg&gt;&lt;script&gt;&quot;&amp;?0 to"));
  EXPECT_EQ(svg.find('\x01'), std::string::npos);
}

TEST(RenderSvg, NoRatesThenSaysSo) {
  EXPECT_TRUE(is_balanced_xml(render_profile_svg({})));
  EXPECT_THAT(render_profile_svg({}), HasSubstr("no rate between hosts was measured"));
}

TEST(RenderSvg, EqualRatesThenNoDivisionByZero) {
  Profile profile = of_hosts(2);
  profile.host_pair_bytes_per_s = {0, 5e6, 5e6, 0};
  for (auto& host : profile.hosts) {
    host.egress_bytes_per_s = host.ingress_bytes_per_s = 5e6;
  }
  EXPECT_THAT(render_profile_svg(profile), Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace banyan::cost
