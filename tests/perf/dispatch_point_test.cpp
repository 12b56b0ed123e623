// SPDX-License-Identifier: Apache-2.0
#include "compare/dispatch_point.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "common/failure.hpp"
#include "compare/dispatch_options.hpp"

namespace banyan::perf {
namespace {

WayResult way(const std::string& name, WayKind kind, double route_s, double exchange_s) {
  WayResult result;
  result.name = name;
  result.used_as = name == "banyan:auto" ? "auto: node" : name;
  result.kind = kind;
  result.facts = {4096, {1000, 600, 300}, {0.2, 0.3}};
  result.route_s = {route_s, route_s};
  result.dispatch_s = {exchange_s / 2, exchange_s / 2};
  result.combine_s = result.dispatch_s;
  result.exchange_s = {exchange_s, exchange_s};
  result.step_s = {route_s + exchange_s, route_s + exchange_s};
  result.wire_rows = 300;
  result.nic_dispatch_bytes = 2 * 300 * 4096;
  result.nic_combine_bytes = 2 * 300 * 4096 + 2 * 24576;  // 1 % more in both directions together
  result.weighed_steps = 2;
  return result;
}

DispatchPoint point() {
  DispatchPoint result;
  result.layer = make_layer({}, 4);
  result.ways = {way("banyan:auto", WayKind::kGroup, 0.125, 0.5), way("banyan:none", WayKind::kGroup, 0, 0.01),
                 way("banyan:rows", WayKind::kRows, 0, 0.02), way("openmpi:default", WayKind::kMpi, 0.5, 2),
                 way("openmpi:pairwise", WayKind::kMpi, 0, 1.25)};
  return result;
}

TEST(DispatchSummary, TheFirstGroupIsHeldAgainstTheBestMpi) {
  const DispatchPoint measured = point();
  const DispatchSummary summary = summarize(measured);
  ASSERT_NE(summary.banyan, nullptr);
  EXPECT_EQ(summary.banyan->name, "banyan:auto");
  EXPECT_EQ(summary.best_mpi->name, "openmpi:pairwise");
  EXPECT_DOUBLE_EQ(summary.speedup, 2);
  EXPECT_DOUBLE_EQ(summary.exchange_speedup, 2.5);
  EXPECT_DOUBLE_EQ(summary.bound_share, 0.8);
  EXPECT_DOUBLE_EQ(summary.exchange_bound_share, 1);
  EXPECT_NEAR(summary.wire_quotient, 1.01, 1e-9);
  EXPECT_EQ(summary.targets_predicted, 0);
}

TEST(DispatchSummary, TargetsAreHeldAgainstEvenDispatchOfTheSameDedup) {
  DispatchPoint measured = point();
  measured.ways.insert(measured.ways.begin() + 2, way("banyan:auto even", WayKind::kEven, 0.125, 1.5));
  measured.target_times = {3, 1, 0.5, true, true};
  const DispatchSummary summary = summarize(measured);
  EXPECT_DOUBLE_EQ(summary.targets_predicted, 3);
  EXPECT_DOUBLE_EQ(summary.targets_measured, 3);
  EXPECT_EQ(summary.banyan->name, "banyan:auto");
}

TEST(DispatchSummary, WrongElementsOfAllWaysCount) {
  DispatchPoint measured = point();
  measured.ways[1].wrong = 3;
  measured.ways[4].wrong = 4;
  EXPECT_EQ(summarize(measured).wrong, 7U);
}

TEST(DispatchSummary, NothingMeasuredDividesNothing) {
  const DispatchSummary summary = summarize({});
  EXPECT_EQ(summary.banyan, nullptr);
  EXPECT_EQ(summary.speedup, 0);
  DispatchPoint alone;
  alone.ways.push_back(way("banyan:auto", WayKind::kGroup, 0, 0));
  alone.ways.front().wire_rows = 0;
  EXPECT_EQ(summarize(alone).wire_quotient, 0);
  EXPECT_EQ(summarize(alone).bound_share, 0);
}

TEST(DispatchReport, JsonHasFiguresAndEveryStep) {
  const Json json = to_json(point());
  EXPECT_EQ(json.at("best_mpi"), "openmpi:pairwise");
  EXPECT_FALSE(json.contains("targets"));
  const Json& first = json.at("ways").at(0);
  EXPECT_EQ(first.at("kind"), "group");
  EXPECT_EQ(first.at("step_s").at("steps").size(), 2U);
  EXPECT_DOUBLE_EQ(first.at("formula_bytes").get<double>(), 2.0 * 300 * 4096);
  EXPECT_DOUBLE_EQ(first.at("nic_bytes").at("sum").get<double>(), 2.0 * 300 * 4096 + 24576);
  EXPECT_EQ(first.at("facts").at("logical_bytes"), 2 * 1000 * 4096);
}

TEST(DispatchReport, EachWayHasALineAndAutoSaysWhatItIs) {
  const std::string lines = dispatch_lines(point());
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 5);
  EXPECT_NE(lines.find("banyan:auto (node)"), std::string::npos);
}

DispatchCompareOptions parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "dispatch_compare");
  return parse_dispatch_options(static_cast<int>(arguments.size()), arguments.data());
}

TEST(DispatchOptions, DefaultsAreTheIssuesLayer) {
  const DispatchCompareOptions options = parse({});
  EXPECT_EQ(options.dedups, (std::vector<std::string>{"auto"}));
  EXPECT_EQ(options.tokens, (std::vector<size_t>{512}));
  EXPECT_EQ(options.layer.hidden, 2048U);
  EXPECT_TRUE(options.with_mpi && options.with_rows);
}

TEST(DispatchOptions, ListsAreRead) {
  const DispatchCompareOptions options = parse({"-t", "8", "512", "--dedup", "none", "--dedup", "tier", "--no-mpi"});
  EXPECT_EQ(options.tokens, (std::vector<size_t>{8, 512}));
  EXPECT_EQ(options.dedups, (std::vector<std::string>{"none", "tier"}));
  EXPECT_FALSE(options.with_mpi);
}

TEST(DispatchOptions, NonsenseIsRefused) {
  for (const auto& arguments : {std::vector<const char*>{"--dedup", "host"},
                                {"--rounds", "0"},
                                {"--round-ms", "-1"},
                                {"--bound-rate", "1parsec"},
                                {"--bound-rate", "1gbit", "--lab-json", "x"},
                                {"--point-s", "-1"},
                                {"--what"}}) {
    EXPECT_THROW(static_cast<void>(parse(arguments)), UsageError) << arguments.front();
  }
}

}  // namespace
}  // namespace banyan::perf
