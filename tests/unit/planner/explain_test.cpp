// SPDX-License-Identifier: Apache-2.0
// What a plan says of itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.hpp"
#include "planner/plan.hpp"

namespace banyan::planner {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Candidate candidate(Algorithm algorithm, double wire_s) {
  return {algorithm, {.latency_s = 0, .overhead_s = 0, .wire_s = wire_s, .copy_s = 0, .busiest = "node1 egress"}};
}

/// An all-to-all-v that was not told its counts: rail was chosen, direct is predicted `direct_s`.
Plan blind_plan(double direct_s) {
  Plan plan;
  plan.uniform = false;
  plan.num_ranks = 8;
  plan.num_hosts = 2;
  plan.choice.chosen = candidate(Algorithm::kHierarchicalRail, 1e-3);
  plan.choice.block_limit = 512;
  plan.choice.candidates = {plan.choice.chosen, candidate(Algorithm::kDirect, direct_s)};
  if (direct_s < 1e-3) {
    std::swap(plan.choice.candidates[0], plan.choice.candidates[1]);
  }
  return plan;
}

TEST(Explain, NamesTheChoiceAndWhatWasRejected) {
  const std::string text = explain_text(blind_plan(2e-3));
  EXPECT_THAT(text, HasSubstr("chosen     hierarchical(rail)\n"));
  EXPECT_THAT(text, HasSubstr("predicted  1.00 ms"));
  EXPECT_THAT(text, HasSubstr("1.00 ms at node1 egress"));
  EXPECT_THAT(text, HasSubstr("pairs up to 512 B are aggregated"));
  EXPECT_THAT(text, HasSubstr("rejected   direct: 2.00 ms (+100 %"));
  EXPECT_THAT(text, Not(HasSubstr("blind")));
}

TEST(Explain, SaysWhyAFasterCandidateWasNotChosen) {
  Plan plan = blind_plan(0.5e-3);
  EXPECT_THAT(explain_text(plan), HasSubstr("blind      chosen before the counts, of which a rank knows only its own; "
                                            "direct would suit these better\n"));
  plan.choice.forced = true;
  EXPECT_THAT(explain_text(plan), HasSubstr("chosen     hierarchical(rail) (asked for by name)\n"));
  EXPECT_THAT(explain_text(plan), Not(HasSubstr("blind")));
}

TEST(Explain, AsJsonHasTheSameFigures) {
  const auto value = json::parse(explain_json(blind_plan(2e-3))).value("plan");
  EXPECT_EQ(value.at("operation"), "alltoallv");
  EXPECT_EQ(value.at("chosen").at("algorithm"), "hierarchical(rail)");
  EXPECT_DOUBLE_EQ(value.at("chosen").at("predicted_time_s").get<double>(), 1e-3);
  EXPECT_EQ(value.at("aggregate_limit_bytes"), 512);
  EXPECT_EQ(value.at("candidates").size(), 2u);
}

}  // namespace
}  // namespace banyan::planner
