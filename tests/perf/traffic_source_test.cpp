// SPDX-License-Identifier: Apache-2.0
#include "common/traffic_source.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "common/failure.hpp"

namespace banyan::perf {
namespace {

SweepOptions sizes(size_t min, size_t max) {
  SweepOptions sweep;
  sweep.min_size.bytes = min;
  sweep.max_size.bytes = max;
  return sweep;
}

std::string refusal(const TrafficOptions& options, int num_ranks) {
  try {
    (void)variable_traffic(options, sizes(8, 8), num_ranks);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "accepted";
}

std::string matrix_file(const std::string& text) {
  const std::string path = testing::TempDir() + "traffic_source_test.txt";
  std::ofstream(path) << text;
  return path;
}

TEST(VariableTraffic, WithoutASourceCountsAreEqual) {
  const auto points = variable_traffic({}, sizes(8, 32), 3);
  ASSERT_EQ(points.size(), 3U);
  EXPECT_FALSE(points[0].uniform_bytes);
  EXPECT_EQ(points[2].bytes, std::vector<uint64_t>(9, 32));
}

TEST(VariableTraffic, AGeneratorWithoutASizeRunsAtEachSizeOfTheSweep) {
  TrafficOptions options;
  options.generator = "moe";
  const auto points = variable_traffic(options, sizes(64, 1024), 8);
  ASSERT_EQ(points.size(), 5U);
  for (const auto& point : points) {
    EXPECT_EQ(point.bytes.size(), 64U);
  }
  EXPECT_EQ(mean_bytes_per_pair(points.front()), 64U);
  EXPECT_EQ(mean_bytes_per_pair(points.back()), 1024U);
}

TEST(VariableTraffic, AGeneratorWithASizeIsOnePoint) {
  TrafficOptions options;
  options.generator = "zipf:4k";
  const auto points = variable_traffic(options, sizes(8, 1024), 4);
  ASSERT_EQ(points.size(), 1U);
  EXPECT_EQ(mean_bytes_per_pair(points[0]), 4096U);
}

TEST(VariableTraffic, TheSeedChangesTheCounts) {
  TrafficOptions options;
  options.generator = "random:1k";
  const auto first = variable_traffic(options, sizes(8, 8), 4);
  options.seed = 2;
  EXPECT_NE(first[0].bytes, variable_traffic(options, sizes(8, 8), 4)[0].bytes);
}

TEST(VariableTraffic, AMatrixFileIsOnePoint) {
  TrafficOptions options;
  options.matrix_file = matrix_file("# two ranks\n1 2\n3 4k\n");
  const auto points = variable_traffic(options, sizes(8, 1024), 2);
  ASSERT_EQ(points.size(), 1U);
  EXPECT_EQ(points[0].bytes, (std::vector<uint64_t>{1, 2, 3, 4096}));
}

TEST(VariableTraffic, RefusalsNameTheCause) {
  TrafficOptions options;
  options.matrix_file = "/no/such/file";
  EXPECT_NE(refusal(options, 2).find("/no/such/file"), std::string::npos);
  options.matrix_file = matrix_file("1 2\n3\n");
  EXPECT_NE(refusal(options, 2).find("--matrix"), std::string::npos);
  options.matrix_file = matrix_file("1 2\n3 4\n");
  EXPECT_NE(refusal(options, 3).find("for 2 ranks, but 3 run"), std::string::npos);
  options.generator = "moe";
  EXPECT_NE(refusal(options, 2).find("exclude"), std::string::npos);
  options.matrix_file.clear();
  options.generator = "nonsense";
  EXPECT_NE(refusal(options, 2).find("nonsense"), std::string::npos);
}

}  // namespace
}  // namespace banyan::perf
