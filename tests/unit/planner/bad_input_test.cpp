// SPDX-License-Identifier: Apache-2.0
// Matrices, models and topologies that nobody should plan with: a clear error, or a plan that says what it assumed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "cost/profile.hpp"
#include "planner/notes.hpp"
#include "planner/plan.hpp"
#include "topology/discover.hpp"
#include "trees.hpp"

namespace banyan::planner {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
constexpr size_t kSlotBytes = 8192;
const std::vector<const char*> kAlgorithms = {"auto", "direct", "hierarchical(rail)", "hierarchical(node)", "bruck(2)"};

Plan plan_with(const topology::LocalityTree& tree, const cost::CostModel& model, const Demand& demand,
               const std::string& algorithm = "auto") {
  const Hosts hosts(tree);
  return make_plan({tree, hosts, model}, demand, {.algorithm = algorithm}, kSlotBytes);
}

Plan plan_of(const topology::LocalityTree& tree, const Demand& demand, const std::string& algorithm = "auto") {
  return plan_with(tree, cost::nominal_model(tree), demand, algorithm);
}

topology::LocalityTree synthetic(const std::string& description) {
  return topology::LocalityTree::derive(topology::from_synthetic(description).value(description));
}

/// Runs `body`, which must throw Error; its status and text.
template <typename Body>
std::pair<banyan_status, std::string> error_of(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return {error.status(), error.what()};
  }
  return {BANYAN_OK, "no error"};
}

TEST(BadInput, MatrixOfAnotherNumberOfRanksThenBothNumbersAreNamed) {
  const auto tree = tree_of({2, 2});
  const std::vector<uint64_t> matrix(9, 1);
  const auto [status, text] = error_of([&] { static_cast<void>(plan_of(tree, of(matrix))); });
  EXPECT_EQ(status, BANYAN_ERR_INVALID_ARGUMENT);
  EXPECT_THAT(text, HasSubstr("9 entries for 4 ranks; expected 16"));
}

TEST(BadInput, SumsThatOverflowThenLimit) {
  const auto tree = tree_of({2, 2});
  std::vector<uint64_t> matrix(16, 0);
  matrix[1] = kMost;
  matrix[2] = 1;
  for (const Demand& demand : {of(matrix), uniform(kMost / 15)}) {
    const auto [status, text] = error_of([&] { static_cast<void>(plan_of(tree, demand)); });
    EXPECT_EQ(status, BANYAN_ERR_LIMIT);
    EXPECT_THAT(text, HasSubstr("2^64"));
  }
}

TEST(BadInput, AllZeroThenAPlanThatSaysSo) {
  const auto tree = tree_of({2, 3, 1});
  const std::vector<uint64_t> matrix(36, 0);
  for (const char* algorithm : kAlgorithms) {
    const Plan plan = plan_of(tree, of(matrix), algorithm);
    EXPECT_EQ(plan.logical_bytes, 0U);
    EXPECT_EQ(plan.lower_bound_s, 0);
    EXPECT_TRUE(std::isfinite(plan.choice.chosen.prediction.total_s()));
    EXPECT_THAT(plan.notes, Contains(HasSubstr("nothing is to be sent")));
    EXPECT_THAT(explain_text(plan), HasSubstr("note       nothing is to be sent"));
  }
  EXPECT_THAT(plan_of(tree, uniform(0)).notes, Contains(HasSubstr("nothing is to be sent")));
}

TEST(BadInput, OneEnormousEntryThenItTravelsDirectlyAndNothingOverflows) {
  const auto tree = tree_of({2, 2, 2});
  std::vector<uint64_t> matrix(36, 1);
  matrix[0 * 6 + 5] = kMost - 35;
  for (const char* algorithm : kAlgorithms) {
    // Headers pass the limit where there are any; a plan, if there is one, was verified.
    const auto [status, text] = error_of([&] {
      const Plan plan = plan_of(tree, of(matrix), algorithm);
      EXPECT_GT(plan.choice.chosen.prediction.total_s(), 1e9);
    });
    EXPECT_TRUE(status == BANYAN_OK || status == BANYAN_ERR_LIMIT) << algorithm << ": " << text;
  }
  matrix[0 * 6 + 5] = uint64_t{1} << 62;
  for (const char* algorithm : kAlgorithms) {
    const Plan plan = plan_of(tree, of(matrix), algorithm);
    EXPECT_GE(plan.movement.links[0].bytes, uint64_t{1} << 62) << algorithm;
    EXPECT_LT(plan.movement.links[0].bytes, (uint64_t{1} << 62) + 1000) << algorithm;
  }
}

TEST(BadInput, EnormousBlocksThatAreForwardedThenLimit) {
  const auto tree = tree_of({1, 1, 1, 1, 1, 1, 1, 1});
  // Sums to less than 2^64, but bruck sends most blocks over two or three links.
  const auto [status, text] = error_of([&] { static_cast<void>(plan_of(tree, uniform(kMost / 64), "bruck(2)")); });
  EXPECT_EQ(status, BANYAN_ERR_LIMIT) << text;
}

TEST(BadInput, UnknownRatesThenTheAssumptionIsTold) {
  const auto unknown = plan_of(synthetic("4:2"), uniform(64));
  EXPECT_THAT(unknown.notes, Contains("the topology gives no rate for the NICs of node0, node1, node2 and node3: 10 "
                                      "Gbit/s each is assumed"));
  EXPECT_THAT(plan_of(synthetic("6:2"), uniform(64)).notes, Contains(HasSubstr("node2 and 3 more")));
  const auto uplinks = plan_of(synthetic("4:2 nic=10gbit racks=2"), uniform(64));
  EXPECT_THAT(uplinks.notes, Contains(HasSubstr("no rate is known for the uplinks of leaf0 and leaf1")));
  EXPECT_THAT(plan_of(synthetic("4:2 nic=10gbit"), uniform(64)).notes, IsEmpty());
}

TEST(BadInput, ProfileOfAnotherTopologyThenWhatItLacksIsTold) {
  const auto tree = synthetic("3:2 nic=10gbit racks=3 uplink=10gbit");
  cost::Profile profile;
  profile.created = "2026-11-22T00:00:00Z";
  profile.transport = "ucx";
  profile.num_ranks = 4;
  profile.hosts = {{.key = "host:elsewhere", .name = "elsewhere", .num_ranks = 2, .egress_bytes_per_s = 1e6}};
  profile.copy_bytes_per_s = 1e9;
  const Plan plan = plan_with(tree, cost::measured_model(tree, profile), uniform(64));
  EXPECT_THAT(plan.notes, Contains(HasSubstr("the profile has no rates of node0, node1 and node2")));
  EXPECT_THAT(plan.notes, Contains(HasSubstr("did not measure messages of tier domain and cluster")));
}

TEST(BadInput, ModelOfAnotherTreeOrWithBrokenFiguresThenInvalidArgument) {
  const auto tree = tree_of({2, 2});
  const std::vector<std::pair<std::string, void (*)(cost::CostModel&)>> breaks = {
      {"another topology", [](cost::CostModel& m) { m.subtrees.pop_back(); }},
      {"capacity of node0", [](cost::CostModel& m) { m.subtrees[2].egress_bytes_per_s = -1; }},
      {"tier \"rack\"", [](cost::CostModel& m) { m.tiers[3].alpha_s = std::nan(""); }},
      {"tier \"domain\"", [](cost::CostModel& m) { m.tiers[1].flow_bytes_per_s = -1; }},
      {"local_message", [](cost::CostModel& m) { m.local_message.gap_s = -1e-6; }},
      {"copy rates", [](cost::CostModel& m) { m.copy_bytes_per_s = std::numeric_limits<double>::infinity(); }}};
  for (const auto& [expected, change] : breaks) {
    cost::CostModel model = cost::nominal_model(tree);
    change(model);
    const auto [status, text] = error_of([&] { static_cast<void>(plan_with(tree, model, uniform(8))); });
    EXPECT_EQ(status, BANYAN_ERR_INVALID_ARGUMENT) << expected;
    EXPECT_THAT(text, HasSubstr(expected));
  }
}

TEST(BadInput, AllRatesZeroThenThereIsNoLimitAndTheTimeIsFinite) {
  const auto tree = tree_of({2, 2});
  cost::CostModel model;
  model.subtrees.resize(tree.nodes().size());
  for (const char* algorithm : kAlgorithms) {
    const Plan plan = plan_with(tree, model, uniform(1 << 20), algorithm);
    EXPECT_TRUE(std::isfinite(plan.choice.chosen.prediction.total_s())) << algorithm;
    EXPECT_EQ(plan.lower_bound_s, 0) << algorithm;
    EXPECT_NE(explain_text(plan), "");
  }
}

TEST(BadInput, NoRanksThenInvalidArgument) {
  const auto graph = topology::from_slurm_conf("SwitchName=leaf Nodes=node[0-1]\n").value("conf");
  const auto tree = topology::LocalityTree::derive(graph);
  const auto [status, text] = error_of([&] { static_cast<void>(plan_of(tree, uniform(8))); });
  EXPECT_EQ(status, BANYAN_ERR_INVALID_ARGUMENT);
  EXPECT_THAT(text, HasSubstr("no ranks"));
}

TEST(BadInput, OneRankThenAPlanWithoutMessages) {
  const Plan plan = plan_of(tree_of({1}), uniform(64));
  EXPECT_TRUE(plan.schedule.messages.empty());
  EXPECT_THAT(plan.notes, Contains(HasSubstr("one rank")));
}

TEST(Outline, ThenTheChoiceIsThatOfThePlanWithoutASchedule) {
  const auto tree = tree_of({4, 3, 2});
  const Hosts hosts(tree);
  const cost::CostModel model = cost::nominal_model(tree);
  const Demand demand = uniform(4096);
  const Plan outline = outline_plan({tree, hosts, model}, demand, {});
  const Plan plan = make_plan({tree, hosts, model}, demand, {}, kSlotBytes);
  EXPECT_TRUE(outline.schedule.messages.empty());
  EXPECT_EQ(algorithm_name(outline.choice.chosen.algorithm), plan.schedule.algorithm);
  EXPECT_EQ(outline.choice.chosen.prediction.total_s(), plan.choice.chosen.prediction.total_s());
  EXPECT_EQ(outline.lower_bound_s, plan.lower_bound_s);
  EXPECT_EQ(outline.logical_bytes, plan.logical_bytes);
}

}  // namespace
}  // namespace banyan::planner
