// SPDX-License-Identifier: Apache-2.0
#include "common/bound.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "common/failure.hpp"

namespace banyan::perf {
namespace {

constexpr double kGigabit = 125e6;

std::vector<int> even_hosts(int hosts, int ranks_per_host) {
  std::vector<int> host_of;
  for (int rank = 0; rank < hosts * ranks_per_host; ++rank) {
    host_of.push_back(rank / ranks_per_host);
  }
  return host_of;
}

TEST(LowerBound, UniformOnEqualHostsIsTheClosedForm) {
  // m^2 (n-1) b / W; 4x4 at 1 Gbit/s: 512 B 197 us, 256 KiB 101 ms (issue 2).
  const auto hosts = host_groups(even_hosts(4, 4), kGigabit);
  EXPECT_NEAR(lower_bound_s(uniform_traffic(16, 512, 1), hosts), 196.6e-6, 0.1e-6);
  EXPECT_NEAR(lower_bound_s(uniform_traffic(16, 256 * 1024, 1), hosts), 100.66e-3, 0.01e-3);
}

TEST(LowerBound, UnevenHostsAreLimitedByTheirCut) {
  std::vector<RankGroup> hosts = {{{0, 1, 2, 3, 4, 5, 6}, kGigabit, kGigabit},
                                  {{7, 8, 9, 10, 11, 12, 13, 14}, kGigabit, kGigabit}};
  EXPECT_DOUBLE_EQ(lower_bound_s(uniform_traffic(15, 1000, 1), hosts), 7 * 8 * 1000 / kGigabit);
}

TEST(LowerBound, TheSlowestLinkDecides) {
  auto hosts = host_groups(even_hosts(4, 4), kGigabit);
  const auto traffic = uniform_traffic(16, 4096, 1);
  const double before = lower_bound_s(traffic, hosts);
  hosts[2].ingress_bytes_per_s = kGigabit / 4;
  EXPECT_DOUBLE_EQ(lower_bound_s(traffic, hosts), 4 * before);
}

TEST(LowerBound, DirectionsAreSeparate) {
  // Rank 0 only sends, rank 1 only receives; links limited one way each.
  const auto traffic = matrix_traffic(2, {0, 1000, 0, 0}, 1);
  EXPECT_DOUBLE_EQ(lower_bound_s(traffic, {{{0}, 10, 0}, {{1}, 0, 0}}), 100);
  EXPECT_DOUBLE_EQ(lower_bound_s(traffic, {{{0}, 0, 10}, {{1}, 0, 0}}), 0);
  EXPECT_DOUBLE_EQ(lower_bound_s(traffic, {{{0}, 0, 0}, {{1}, 0, 5}}), 200);
}

TEST(LowerBound, WithoutLimitsOrTrafficIsZero) {
  const auto hosts = even_hosts(2, 2);
  EXPECT_EQ(lower_bound_s(uniform_traffic(4, 1000, 1), host_groups(hosts, 0)), 0);
  EXPECT_EQ(lower_bound_s(uniform_traffic(4, 0, 1), host_groups(hosts, kGigabit)), 0);
  EXPECT_EQ(lower_bound_s(uniform_traffic(4, 1000, 1), {}), 0);
}

TEST(LowerBound, MoreTrafficNeverLowersIt) {
  EXPECT_TRUE(rc::check("monotonic in every entry", [] {
    const auto hosts = host_groups(even_hosts(2, 2), 1000);
    auto matrix = *rc::gen::container<std::vector<uint64_t>>(16, rc::gen::inRange<uint64_t>(0, 10000));
    const double before = lower_bound_s(matrix_traffic(4, matrix, 1), hosts);
    matrix[*rc::gen::inRange<size_t>(0, 16)] += 100;
    RC_ASSERT(lower_bound_s(matrix_traffic(4, matrix, 1), hosts) >= before);
  }));
}

TEST(InterHostBytes, CountsOnlyPairsOfDifferentHosts) {
  EXPECT_EQ(inter_host_bytes(uniform_traffic(4, 10, 1), {0, 0, 1, 1}), 80U);
  EXPECT_EQ(inter_host_bytes(uniform_traffic(4, 10, 1), {0, 0, 0, 0}), 0U);
}

const char* const kLab = R"({"schema": 1, "burst_bytes": 40, "nodes": [
  {"node": 0, "hostname": "node0", "leaf": 0, "ranks": [0], "nic": {
     "eth0": {"rail": 0, "rate_bytes_per_s": 100, "up": true},
     "eth1": {"rail": 1, "rate_bytes_per_s": 50, "up": true}}},
  {"node": 1, "hostname": "node1", "leaf": 0, "ranks": [1], "nic": {
     "eth0": {"rail": 0, "rate_bytes_per_s": 100, "up": true},
     "eth1": {"rail": 1, "rate_bytes_per_s": 50, "up": false}}},
  {"node": 2, "hostname": "node2", "leaf": 1, "ranks": [2], "nic": {
     "eth0": {"rail": 0, "rate_bytes_per_s": 0, "up": true}}}],
 "leaves": [{"leaf": 0, "nodes": [0, 1], "spine_rate_bytes_per_s": [10]},
            {"leaf": 1, "nodes": [2], "spine_rate_bytes_per_s": [0]}]})";

TEST(LabGroups, RatesAreSummedOverRailsThatAreUp) {
  const auto groups = lab_groups(kLab, {"node0", "node1", "node2"});
  ASSERT_EQ(groups.size(), 4U);
  EXPECT_EQ(groups[0].egress_bytes_per_s, 150);
  EXPECT_EQ(groups[1].egress_bytes_per_s, 100);
  EXPECT_EQ(groups[2].egress_bytes_per_s, 0);
}

TEST(LabGroups, ALimitedUplinkIsAGroupOfItsHosts) {
  const auto groups = lab_groups(kLab, {"node0", "node1", "node2"});
  ASSERT_EQ(groups.size(), 4U);
  EXPECT_EQ(groups[3].ranks, (std::vector<int>{0, 1}));
  EXPECT_EQ(groups[3].egress_bytes_per_s, 10);
  // 2 ranks to 1 and back, 100 bytes each: 200 bytes over 10 bytes/s.
  EXPECT_DOUBLE_EQ(lower_bound_s(uniform_traffic(3, 100, 1), groups), 20);
}

TEST(LabGroups, RanksAreMatchedByHostNameInAnyOrder) {
  const auto groups = lab_groups(kLab, {"node2", "node0", "node2"});
  EXPECT_EQ(groups[0].ranks, (std::vector<int>{1}));
  EXPECT_EQ(groups[2].ranks, (std::vector<int>{0, 2}));
}

TEST(LabGroups, AHostOutsideTheLabIsNamed) {
  try {
    (void)lab_groups(kLab, {"node0", "elsewhere"});
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("elsewhere"), std::string::npos);
  }
}

TEST(LabBucket, TheSlowestLinkCountsUplinksToo) { EXPECT_DOUBLE_EQ(lab_bucket_s(kLab), 4); }

TEST(LabBucket, NoRatesThenNoTime) {
  EXPECT_EQ(lab_bucket_s(R"({"burst_bytes": 40, "nodes": [], "leaves": []})"), 0);
  EXPECT_THROW((void)lab_bucket_s("{}"), UsageError);
}

TEST(LabGroups, AnythingElseIsRefused) {
  for (const char* text : {"", "[]", "{", R"({"nodes": [{"node": "x"}]})", R"({"nodes": 7})"}) {
    EXPECT_THROW((void)lab_groups(text, {"node0"}), UsageError) << text;
  }
}

}  // namespace
}  // namespace banyan::perf
