// SPDX-License-Identifier: Apache-2.0
#include "moe/targets/targets.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.hpp"
#include "base/json.hpp"
#include "moe/targets/render.hpp"
#include "problems.hpp"

namespace banyan::moe {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr TargetMethod kMethods[] = {TargetMethod::kClosed, TargetMethod::kExact, TargetMethod::kBudgeted};

/// A budget half way between the least time and that of even dispatch.
Targets halfway(TargetProblem problem) {
  problem.method = TargetMethod::kExact;
  const Targets exact = compute_targets(problem);
  problem.method = TargetMethod::kBudgeted;
  problem.budget_s = (exact.least_s + exact.even_s) / 2;
  return compute_targets(problem);
}

std::string refusal(const TargetProblem& problem, banyan_status status = BANYAN_ERR_INVALID_ARGUMENT) {
  try {
    static_cast<void>(compute_targets(problem));
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), status);
    return error.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return "";
}

TEST(Targets, UnevenTreesThenEveryMethodIsADispatchAndFasterThanEven) {
  for (const char* description :
       {"2:[8,7] nic=10gbit", "4:4 nic=[10gbit x3,1gbit]", "4:4 nic=10gbit racks=[3,1] uplink=10gbit",
        "6:2 nic=25gbit racks=2 uplink=10gbit order=cyclic", "1:5"}) {
    SCOPED_TRACE(description);
    const Scene scene(description);
    for (const TargetMethod method : kMethods) {
      const Targets targets =
          method == TargetMethod::kBudgeted ? halfway(scene.problem()) : compute_targets(scene.problem(method));
      expect_dispatch(targets);
      EXPECT_LE(targets.time_s, targets.even_s * (1 + 1e-12)) << method_name(method);
      EXPECT_GE(targets.time_s, targets.least_s * (1 - 1e-9)) << method_name(method);
      EXPECT_TRUE(targets.budget_met);
    }
  }
}

TEST(Targets, RanksWithoutTokensAndWithoutExpertsThenTheirRowsAndColumnsAreEmpty) {
  const Scene scene("3:[2,3,1] nic=10gbit");
  TargetProblem problem = scene.problem();
  problem.tokens = {100, 0, 100, 7, 0, 300};
  problem.num_experts = 7;
  problem.owner = {5, 0, 0, 2, 3, 3, 3};
  problem.top_k = 2;
  for (const TargetMethod method : {TargetMethod::kClosed, TargetMethod::kExact}) {
    problem.method = method;
    const Targets targets = compute_targets(problem);
    expect_dispatch(targets);
    EXPECT_THAT(targets.row(1), Each(0.0));
    EXPECT_THAT(targets.weights(1), Each(1.0));
    EXPECT_THAT(targets.capacities(1, 1.25, 3), Each(0U));
    for (int rank = 0; rank < 6; ++rank) {
      EXPECT_EQ(targets.rank_row(rank)[1], 0);
      EXPECT_EQ(targets.rank_row(rank)[4], 0);
    }
  }
  EXPECT_TRUE(halfway(problem).budget_met);
}

TEST(Targets, ExpertsThatDoNotDivideThenTheFirstRanksHoldOneMore) {
  EXPECT_THAT(make_demand(3, 7, {}, {1}, 1, 1).owner, ElementsAre(0, 0, 0, 1, 1, 2, 2));
  EXPECT_THAT(make_demand(4, 2, {}, {1}, 1, 1).num_experts, ElementsAre(1, 1, 0, 0));
  EXPECT_THAT(make_demand(2, 3, {1, 0, 1}, {1}, 1, 1).num_experts, ElementsAre(1, 2));
}

TEST(Targets, CapacitiesThenAtLeastTheTargets) {
  const Scene scene("2:[2,1] nic=1gbit");
  const Targets targets = compute_targets(scene.problem());
  const auto row = targets.row(0);
  const auto capacities = targets.capacities(0, 1.5, 400);
  for (size_t e = 0; e < row.size(); ++e) {
    EXPECT_EQ(capacities[e], std::max<size_t>(400, static_cast<size_t>(std::ceil(1.5 * row[e] * (1 - 1e-12)))));
  }
}

TEST(Targets, WeightsThenInverseToTheTargetsOfMeanOne) {
  const Scene scene("2:[2,1] nic=1gbit");
  const Targets targets = compute_targets(scene.problem());
  const auto row = targets.row(2);
  const auto weights = targets.weights(2);
  EXPECT_NEAR(std::accumulate(weights.begin(), weights.end(), 0.0), 3, 1e-12);
  EXPECT_NEAR(weights[0] * row[0], weights[2] * row[2], 1e-9);
  EXPECT_GT(weights[0], weights[2]) << "far experts cost more";
  const Scene alone("1:4");
  EXPECT_THAT(compute_targets(alone.problem()).weights(1), Each(::testing::DoubleEq(1.0)))
      << "even targets give the plain loss";
}

TEST(Targets, SharesNextToZeroThenWeightsStayWithinAThousandOfTheMean) {
  Scene scene("2:2 nic=1gbit");
  TargetProblem problem = scene.problem();
  problem.tier_beta = PerTier{1, 1, 1e9, 1e9};
  const auto weights = compute_targets(problem).weights(0);
  // Two weights of 1/2 the mean's inverse, two of its thousandfold, scaled to mean 1.
  EXPECT_NEAR(weights[2] / weights[0], 1000 * 2, 1e-3);
}

TEST(Targets, MoreCopiesThanTokensThenToldOf) {
  const Scene scene("2:2 nic=1gbit");
  TargetProblem problem = scene.problem();
  problem.top_k = 2;
  problem.tier_beta = PerTier{1, 1, 1e3, 1e3};
  const Targets targets = compute_targets(problem);
  EXPECT_NEAR(targets.most_per_token, targets.row(0)[1] / 1024, 1e-12);
  problem.num_experts = 8;
  EXPECT_LT(compute_targets(problem).most_per_token, 1);
}

/// The work is bounded by the kinds of ranks, not by their number.
TEST(Targets, FourThousandRanksThenAFewClassesAndSteps) {
  for (const char* description :
       {"512:8 nic=100gbit racks=16 uplink=400gbit", "520:[8 x456,7 x64] nic=100gbit racks=20 uplink=400gbit",
        "512:8 nic=[100gbit x500,25gbit x12] racks=32 uplink=200gbit"}) {
    SCOPED_TRACE(description);
    const Scene scene(description);
    for (const TargetMethod method : kMethods) {
      const Targets targets =
          method == TargetMethod::kBudgeted ? halfway(scene.problem()) : compute_targets(scene.problem(method));
      EXPECT_LE(targets.shape().classes().size(), 8U);
      EXPECT_LE(targets.steps, 100);
      const auto row = targets.row(4000);
      EXPECT_NEAR(std::accumulate(row.begin(), row.end(), 0.0), 1024, 1e-6);
      EXPECT_LT(targets.column_error, 1e-9);
      EXPECT_LT(targets.time_s, targets.even_s);
    }
  }
}

/// 120 ranks of 120 kinds: the search without a dense system.
TEST(Targets, ManyKindsOfRanksThenStillADispatch) {
  const Scene scene("24:5 nic=[25gbit x12,10gbit x12] racks=4 uplink=40gbit");
  TargetProblem problem = scene.problem();
  problem.tokens.clear();
  for (size_t rank = 0; rank < 120; ++rank) {
    problem.tokens.push_back(500 + 13 * rank);
  }
  for (const TargetMethod method : {TargetMethod::kClosed, TargetMethod::kExact}) {
    problem.method = method;
    const Targets targets = compute_targets(problem);
    EXPECT_EQ(targets.shape().classes().size(), 120U);
    expect_dispatch(targets);
    EXPECT_GE(targets.time_s, targets.least_s * (1 - 1e-9));
  }
  expect_dispatch(halfway(problem));
}

TEST(Targets, EqualInputThenEqualBits) {
  const Scene scene("3:[4,4,7] nic=[10gbit,1gbit,10gbit]");
  const Targets a = compute_targets(scene.problem(TargetMethod::kExact));
  const Targets b = compute_targets(scene.problem(TargetMethod::kExact));
  EXPECT_EQ(rank_matrix(a), rank_matrix(b));
}

TEST(Targets, BadInputThenNamed) {
  const Scene scene("2:2");
  const TargetProblem good = scene.problem();
  TargetProblem bad = good;
  bad.num_experts = 0;
  EXPECT_THAT(refusal(bad), HasSubstr("num_experts is 0"));
  bad = good;
  bad.owner = {0, 1, 4, 2};
  EXPECT_THAT(refusal(bad), HasSubstr("expert_rank[2] is 4, must be a rank, 0 to 3"));
  bad.owner = {0, -1, 3, 2};
  EXPECT_THAT(refusal(bad), HasSubstr("expert_rank[1] is -1"));
  bad.owner = {0, 1};
  EXPECT_THAT(refusal(bad), HasSubstr("expert_rank has 2 entries for 4 experts"));
  bad = good;
  bad.tokens = {1, 2};
  EXPECT_THAT(refusal(bad), HasSubstr("tokens has 2 entries for 4 ranks"));
  bad.tokens = {0};
  EXPECT_THAT(refusal(bad), HasSubstr("no rank has tokens"));
  bad.tokens = {1, 2, size_t{1} << 53, 3};
  EXPECT_THAT(refusal(bad, BANYAN_ERR_LIMIT), HasSubstr("tokens[2] is 9007199254740992"));
  bad.tokens = {size_t{1} << 40};
  bad.row_bytes = size_t{1} << 30;
  EXPECT_THAT(refusal(bad, BANYAN_ERR_LIMIT), HasSubstr("row_bytes 1073741824"));
  bad = good;
  bad.top_k = 5;
  EXPECT_THAT(refusal(bad), HasSubstr("top_k is 5, must be between 1 and num_experts, 4"));
  bad = good;
  bad.row_bytes = 0;
  EXPECT_THAT(refusal(bad), HasSubstr("row_bytes is 0"));
  for (const double budget : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    bad = good;
    bad.method = TargetMethod::kBudgeted;
    bad.budget_s = budget;
    EXPECT_THAT(refusal(bad), HasSubstr("budget_s is "));
  }
  bad = good;
  bad.tier_beta = PerTier{1, 1, std::nan(""), 1};
  EXPECT_THAT(refusal(bad), HasSubstr("tier_s_per_byte[2] is nan, must be positive and finite"));
  bad.tier_beta = PerTier{1, 1, 1, 1};
  bad.method = TargetMethod::kExact;
  EXPECT_THAT(refusal(bad), HasSubstr("closed form only"));
  const Targets targets = compute_targets(good);
  EXPECT_THROW(static_cast<void>(targets.row(4)), Error);
  EXPECT_THROW(static_cast<void>(targets.rank_row(-1)), Error);
  EXPECT_THROW(static_cast<void>(targets.weights(4)), Error);
  EXPECT_THROW(static_cast<void>(targets.capacities(4, 1, 0)), Error);
  EXPECT_THROW(static_cast<void>(targets.capacities(0, -1, 0)), Error);
}

TEST(Targets, JsonThenTheClassesAddUpToTheRows) {
  const Scene scene("2:[3,2] nic=1gbit");
  TargetProblem problem = scene.problem(TargetMethod::kExact);
  problem.num_experts = 7;
  const Targets targets = compute_targets(problem);
  const auto json = json::parse(render_targets_json(targets)).value("targets");
  EXPECT_EQ(json["format"], "banyan-targets-1");
  EXPECT_EQ(json["time_s"], targets.time_s);
  size_t ranks = 0;
  for (const auto& of : json["classes"]) {
    ranks += of["ranks"].size();
    double sum = 0;
    for (const auto& entry : of["sends"]) {
      sum += entry["ranks"].get<double>() * entry["experts_per_rank"].get<double>() *
             entry["tokens_per_expert"].get<double>();
    }
    EXPECT_NEAR(sum, of["tokens"].get<double>(), 1e-6);
  }
  EXPECT_EQ(ranks, 5U);
}

TEST(Targets, TextThenTimesBeforeAndAfter) {
  const Scene scene("2:[3,2] nic=1gbit");
  TargetProblem problem = scene.problem(TargetMethod::kBudgeted);
  problem.budget_s = 1e-9;
  const std::string text = render_targets_text(compute_targets(problem));
  EXPECT_THAT(text, HasSubstr("even dispatch"));
  EXPECT_THAT(text, HasSubstr("node0 egress"));
  EXPECT_THAT(text, HasSubstr("NOT MET"));
  EXPECT_THAT(text, HasSubstr("ranks 0, 1, 2\n"));
}

TEST(Targets, RanksOfTooManyKindsThenNoJson) {
  const Scene scene("513:1");
  TargetProblem problem = scene.problem();
  problem.tokens.resize(513);
  std::iota(problem.tokens.begin(), problem.tokens.end(), 1000);
  EXPECT_THROW(static_cast<void>(render_targets_json(compute_targets(problem))), Error);
}

}  // namespace
}  // namespace banyan::moe
