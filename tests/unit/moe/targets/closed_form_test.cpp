// SPDX-License-Identifier: Apache-2.0
#include "moe/targets/closed_form.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "moe/targets/targets.hpp"
#include "problems.hpp"

namespace banyan::moe {
namespace {

/// A row of table E11 (shared/reference/ta-moe-fastmoe.md): kS = 1024, beta in seconds per token of a level.
struct Published {
  const char* description;
  PerTier beta;  ///< domain, node, rack, cluster
  double even_s, closed_s, column_min, column_max, balanced_s;
};

const Published kE11[] = {
    {"2:2", {1, 1, 4, 4}, 1024, 409.6, 1024, 1024, 409.6},
    {"3:2 racks=[2,1]", {1, 1, 4, 8}, 1365.3, 409.6, 1005.4, 1033.3, 414.1},
    {"2:8", {1, 1, 8, 8}, 512, 113.8, 1024, 1024, 113.8},
    {"4:8 racks=[2,2]", {1, 1, 8, 16}, 512, 102.4, 1024, 1024, 102.4},
    {"4:8 racks=[3,1]", {1, 1, 8, 16}, 512, 107.8, 1008.6, 1029.1, 108.7},
    {"3:8 racks=[2,1]", {1, 1, 8, 16}, 682.7, 113.8, 1018.0, 1027.0, 114.1},
};

/// What is printed with one decimal, at least.
constexpr double kPrinted = 0.05 + 1e-9;

TargetProblem published_problem(const Scene& scene, const PerTier& beta) {
  TargetProblem problem = scene.problem();
  problem.row_bytes = 1;
  problem.tier_beta = beta;
  return problem;
}

std::vector<double> columns(const Targets& targets) {
  std::vector<double> sums(targets.demand.owner.size(), 0);
  for (int rank = 0; rank < targets.num_ranks(); ++rank) {
    const auto row = targets.row(rank);
    std::transform(row.begin(), row.end(), sums.begin(), sums.begin(), std::plus<>());
  }
  return sums;
}

TEST(ClosedForm, TableE11ThenTheFigures) {
  for (const Published& row : kE11) {
    SCOPED_TRACE(row.description);
    const Scene scene(row.description);
    TargetProblem problem = published_problem(scene, row.beta);
    const Targets balanced = compute_targets(problem);
    problem.balance = false;
    const Targets raw = compute_targets(problem);
    EXPECT_NEAR(raw.even_s, row.even_s, kPrinted);
    EXPECT_NEAR(raw.time_s, row.closed_s, kPrinted);
    const auto sums = columns(raw);
    EXPECT_NEAR(*std::min_element(sums.begin(), sums.end()), row.column_min, kPrinted);
    EXPECT_NEAR(*std::max_element(sums.begin(), sums.end()), row.column_max, kPrinted);
    EXPECT_NEAR(balanced.time_s, row.balanced_s, kPrinted);
    expect_dispatch(balanced);
    for (int rank = 0; rank < raw.num_ranks(); ++rank) {
      const auto tokens = raw.row(rank);
      EXPECT_NEAR(std::accumulate(tokens.begin(), tokens.end(), 0.0), 1024, 1e-9);
    }
  }
}

TEST(ClosedForm, TableE11ThenTheRowsPrintedBelowIt) {
  const Scene scene("3:2 racks=[2,1]");
  TargetProblem problem = published_problem(scene, {1, 1, 4, 8});
  problem.balance = false;
  const Targets targets = compute_targets(problem);
  const double first[] = {372.4, 372.4, 93.1, 93.1, 46.5, 46.5};
  const double last[] = {51.2, 51.2, 51.2, 51.2, 409.6, 409.6};
  for (size_t e = 0; e < 6; ++e) {
    EXPECT_NEAR(targets.row(0)[e], first[e], kPrinted);
    EXPECT_NEAR(targets.row(5)[e], last[e], kPrinted);
  }
}

/// E4: hosts of M ranks, whose NICs carry 50 and whose ranks 88 Gbit/s of local data.
Scene johnny(int ranks_per_host) {
  Scene scene("2:" + std::to_string(ranks_per_host) + " nic=50gbit");
  scene.model.copy_bytes_per_s = 2 * 88e9 / 8;  // each byte is copied twice
  scene.model.host_copy_bytes_per_s = 0;
  return scene;
}

TEST(ClosedForm, TableE4ThenTheFractionThatLeavesTheHost) {
  const struct {
    int ranks_per_host;
    double first_order, exact;
  } kRows[] = {{4, 0.142, 0.124}, {8, 0.071, 0.066}};
  for (const auto& expected : kRows) {
    const Scene scene = johnny(expected.ranks_per_host);
    for (const TargetMethod method : {TargetMethod::kClosed, TargetMethod::kExact}) {
      const Targets targets = compute_targets(scene.problem(method));
      const auto row = targets.row(0);
      const double stays = std::accumulate(row.begin(), row.begin() + expected.ranks_per_host, 0.0);
      EXPECT_NEAR((1024 - stays) / stays, expected.first_order, 5e-4) << method_name(method);
      EXPECT_NEAR((1024 - stays) / 1024, expected.exact, 5e-4) << method_name(method);
    }
  }
}

TEST(ClosedForm, TableE12ThenTheGain) {
  const struct {
    int ranks;
    double rho, gain;
  } kRows[] = {{16, 8, 4.50}, {32, 8, 2.75}, {48, 8, 2.17}, {64, 8, 1.875},
               {16, 4, 2.50}, {32, 4, 1.75}, {48, 4, 1.50}, {64, 4, 1.375}};
  for (const auto& expected : kRows) {
    const Scene scene(std::to_string(expected.ranks / 8) + ":8");
    const Targets targets = compute_targets(published_problem(scene, {1, 1, expected.rho, expected.rho}));
    EXPECT_NEAR(targets.even_s / targets.time_s, (8 * expected.rho + expected.ranks - 8) / expected.ranks, 1e-9);
    EXPECT_NEAR(targets.even_s / targets.time_s, expected.gain, 5e-3);
  }
}

TEST(ClosedForm, ConcurrentBetaThenEachPairHasItsPartOfTheLink) {
  const Scene scene("2:[2,3] nic=8gbit");  // 1 GB/s
  const TokenDemand demand = make_demand(5, 5, {}, {1}, 1, 1);
  const Shape shape(scene.tree, scene.model, demand);
  const auto limits = make_limits(shape, scene.tree, scene.model, demand.total);
  const PerClass beta = concurrent_beta(shape, limits);
  const double nominal_local = std::min(5e9 / 2, 20e9 / 2 / 2);
  const PerTier& first = beta[static_cast<size_t>(shape.class_of(0))];
  EXPECT_NEAR(first[kRackTier], 6 / 1e9 * demand.total, 1e-18) << "2 ranks to 3 over one NIC";
  EXPECT_NEAR(first[kDomainTier], 2 / nominal_local * demand.total, 1e-18) << "a rank's own tokens count";
  EXPECT_EQ(first[kNodeTier], 0) << "a host of one domain";
}

TEST(ClosedForm, UnevenExpertsThenEachCounts) {
  const Scene scene("2:2");
  TargetProblem problem = published_problem(scene, {1, 1, 4, 4});
  problem.num_experts = 5;
  problem.owner = {0, 0, 1, 2, 3};
  problem.balance = false;
  const auto row = compute_targets(problem).row(0);
  EXPECT_NEAR(row[0], 1024 / 3.5, 1e-9);
  EXPECT_NEAR(row[2], 1024 / 3.5, 1e-9);
  EXPECT_NEAR(row[3], 1024 / 3.5 / 4, 1e-9);
  problem.balance = true;
  expect_dispatch(compute_targets(problem));
}

TEST(ClosedForm, EqualBetaThenEvenDispatch) {
  const Scene scene("3:[2,1,4]");
  for (const double token : compute_targets(published_problem(scene, {2, 2, 2, 2})).row(3)) {
    EXPECT_NEAR(token, 1024.0 / 7, 1e-9);
  }
}

}  // namespace
}  // namespace banyan::moe
