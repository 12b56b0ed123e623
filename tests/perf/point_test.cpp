// SPDX-License-Identifier: Apache-2.0
#include "compare/point.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "common/report.hpp"
#include "compare/nic_counter.hpp"

namespace banyan::perf {
namespace {

using testing::HasSubstr;
using testing::Not;

CandidateResult candidate(const std::string& name, std::vector<double> rounds_s) {
  CandidateResult result;
  result.name = name;
  result.is_banyan = name.starts_with("banyan");
  result.round_s = std::move(rounds_s);
  return result;
}

Point example() {
  Point point;
  point.size_bytes = 512;
  point.kind = PointKind::kUniform;
  point.bound_s = 200e-6;
  point.judged = true;
  point.candidates = {candidate("openmpi:default", {400e-6, 300e-6, 900e-6}), candidate("openmpi:pairwise", {350e-6}),
                      candidate("banyan:auto", {220e-6}), candidate("banyan:direct", {100e-6})};
  point.candidates[1].wrong = 3;
  point.candidates[2].plan = PlanFigures{"hierarchical(rail)", 242e-6, 190e-6, 0, 0, 0, 0, true};
  return point;
}

TEST(Summary, ComparesTheFirstBanyanWithTheBestOpenMpi) {
  const Point point = example();
  const PointSummary summary = summarize(point);
  ASSERT_NE(summary.banyan, nullptr);
  ASSERT_NE(summary.best_mpi, nullptr);
  EXPECT_EQ(summary.banyan->name, "banyan:auto");
  EXPECT_EQ(summary.best_mpi->name, "openmpi:pairwise");
  EXPECT_NEAR(summary.verdict.speedup, 350.0 / 220, 1e-9);
  EXPECT_NEAR(summary.verdict.bound_share, 200.0 / 220, 1e-9);
  EXPECT_NEAR(summary.predicted_ratio, 1.1, 1e-9);
  EXPECT_EQ(summary.wrong, 3U);
  EXPECT_TRUE(summary.verdict.passed);
}

TEST(Summary, TheBestMpiIsTheBestOfBothLibraries) {
  Point point = example();
  point.candidates.push_back(candidate("mpich:scattered", {340e-6}));
  EXPECT_EQ(summarize(point).best_mpi->name, "mpich:scattered");
  EXPECT_THAT(comparison_line(point), HasSubstr("mpich:scattered, hierarchical(rail)"));
  EXPECT_EQ(to_json(point)["best_mpi"], "mpich:scattered");
  point.candidates.back().round_s = {360e-6};
  EXPECT_EQ(summarize(point).best_mpi->name, "openmpi:pairwise");
}

TEST(Summary, WhoWasLeftOutIsNotTheBestAndSaysHowLongItTook) {
  Point point = example();
  point.candidates.push_back(candidate("mpich:brucks", {}));
  point.candidates.back().left_out_s = 1e-6;
  EXPECT_EQ(summarize(point).best_mpi->name, "openmpi:pairwise");
  EXPECT_EQ(to_json(point)["candidates"].back()["left_out_s"], 1e-6);
  EXPECT_THAT(to_csv({point}, "lab"), Not(HasSubstr("brucks")));
}

TEST(Summary, WithoutGivenRatesTheBoundIsThePlans) {
  Point point = example();
  point.bound_s.reset();
  EXPECT_DOUBLE_EQ(summarize(point).bound_s, 190e-6);
}

TEST(Summary, OpenMpiAloneHasNoVerdict) {
  Point point = example();
  point.candidates.resize(2);
  const PointSummary summary = summarize(point);
  EXPECT_EQ(summary.banyan, nullptr);
  EXPECT_FALSE(to_json(point).contains("verdict"));
}

TEST(ComparisonLine, OfAPointWithoutRoundsHasNoInfinityOrNan) {
  Point point;
  point.candidates = {candidate("openmpi:default", {}), candidate("banyan:auto", {})};
  point.candidates[1].plan = PlanFigures{};
  point.candidates[1].counters = Counters{};
  EXPECT_THAT(comparison_line(point), Not(HasSubstr("inf")));
  EXPECT_THAT(comparison_line(point), Not(HasSubstr("nan")));
  EXPECT_THAT(to_json(point)["candidates"].dump(), Not(HasSubstr("null")));  // what the JSON library makes of nan
}

TEST(ComparisonLine, HasOneTimePerCandidate) {
  const Point point = example();
  const std::string line = comparison_line(point);
  for (const char* text :
       {"400.0", "350.0", "220.0", "100.0", "1.59", "200.0", "90.9", "1.10", "pass", "hierarchical(rail)"}) {
    EXPECT_THAT(line, HasSubstr(text));
  }
}

TEST(ComparisonFooter, CountsBarsAndPredictions) {
  Point slow = example();
  slow.candidates[2].round_s = {340e-6};
  EXPECT_THAT(comparison_footer({example(), slow}),
              HasSubstr("bars passed: 1 of 2; predicted within 25 %: 1 of 2; wrong bytes: 6"));
}

TEST(ComparisonFooter, WithoutBarsSaysNothingOfThem) {
  Point point = example();
  point.judged = false;
  EXPECT_THAT(comparison_footer({point}), HasSubstr("# predicted within 25 %: 1 of 1; wrong bytes: 3"));
  EXPECT_THAT(comparison_line(point), Not(HasSubstr("pass")));
}

TEST(Csv, HasALinePerCandidate) {
  const std::string csv = to_csv({example()}, "lab");
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 5);
  EXPECT_THAT(csv, HasSubstr("openmpi:default,0.000400000,0.000900000,"));
  EXPECT_THAT(csv, HasSubstr("lab,uniform,512,openmpi:pairwise,0.000350000,0.000350000,0.000200000,0,3\n"));
}

TEST(TableLine, OfARowWithoutTimesHasNoInfinityOrNan) {
  const Row row;
  EXPECT_THAT(table_line(row) + table_footer({row}), Not(HasSubstr("inf")));
  EXPECT_THAT(table_line(row) + table_footer({}), Not(HasSubstr("nan")));
}

TEST(TableLine, WithoutChecksSaysSo) {
  Row row;
  EXPECT_THAT(table_line(row), HasSubstr("N/A"));
  row.checked = 1;
  row.wrong = 5;
  EXPECT_THAT(table_footer({row}), HasSubstr("5 FAILED"));
}

TEST(NicCounter, SumsAllInterfacesButLoopback) {
  const auto root = std::filesystem::path(testing::TempDir()) / "nic_counter_test";
  std::filesystem::remove_all(root);
  for (const auto& [name, bytes] : {std::pair{"lo", 1000}, std::pair{"eth0", 7}, std::pair{"eth1", 5}}) {
    std::filesystem::create_directories(root / name / "statistics");
    std::ofstream(root / name / "statistics" / "tx_bytes") << bytes << "\n";
  }
  std::filesystem::create_directories(root / "odd");
  EXPECT_EQ(nic_bytes_sent(root), 12U);
  EXPECT_EQ(nic_bytes_sent(root / "absent"), 0U);
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace banyan::perf
