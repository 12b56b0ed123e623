// SPDX-License-Identifier: Apache-2.0
// What a schedule moves, by link and by step.
#include "planner/movement.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>

#include "cost/profile.hpp"
#include "planner/algorithms/bruck.hpp"
#include "planner/plan.hpp"
#include "planner/traffic_generators.hpp"
#include "schedule/size_list.hpp"
#include "topology/discover.hpp"
#include "trees.hpp"

namespace banyan::planner {
namespace {

using ::testing::ElementsAre;

constexpr size_t kSlotBytes = 8192;

Plan plan_of(const topology::LocalityTree& tree, const Demand& demand, const std::string& algorithm) {
  const Hosts hosts(tree);
  const cost::CostModel model = cost::nominal_model(tree);
  return make_plan({tree, hosts, model}, demand, {.algorithm = algorithm}, kSlotBytes);
}

const LinkLoad& link(const Plan& plan, const std::string& name) {
  for (const LinkLoad& load : plan.movement.links) {
    if (load.name == name) {
      return load;
    }
  }
  throw std::runtime_error("no link " + name);
}

TEST(Movement, DirectThenEachLinkCarriesItsPairs) {
  const auto tree = tree_of({2, 3});
  const Plan plan = plan_of(tree, uniform(1000), "direct");
  for (const char* name : {"node0 egress", "node0 ingress", "node1 egress", "node1 ingress"}) {
    EXPECT_EQ(link(plan, name).messages, 6U) << name;
    EXPECT_EQ(link(plan, name).bytes, 6000U) << name;
    EXPECT_DOUBLE_EQ(link(plan, name).time_s, 6000 / 1.25e8) << name;
    EXPECT_DOUBLE_EQ(link(plan, name).share, 1) << name;
  }
  ASSERT_EQ(plan.movement.steps.size(), 1U);
  EXPECT_EQ(plan.movement.steps[0].remote_messages, 12U);
  EXPECT_EQ(plan.movement.steps[0].local_messages, 2U + 6U);
  EXPECT_EQ(plan.movement.steps[0].local_bytes, 8000U);
}

TEST(Movement, OneStepThenItsTermsAreThoseOfThePrediction) {
  for (const auto& tree : {tree_of({2, 3}), tree_of({4}), tree_of({4, 4, 1})}) {
    const Plan plan = plan_of(tree, uniform(4000), "direct");
    const Prediction& step = plan.movement.steps.at(0).prediction;
    const Prediction& whole = plan.choice.chosen.prediction;
    EXPECT_DOUBLE_EQ(step.latency_s, whole.latency_s);
    EXPECT_DOUBLE_EQ(step.wire_s, whole.wire_s);
    EXPECT_EQ(step.busiest, whole.busiest == "memory" ? "" : whole.busiest);
    EXPECT_NEAR(step.total_s(), whole.total_s(), 0.01 * whole.total_s());
  }
}

TEST(Movement, SlowHostThenItsLinksAreTheBusiest) {
  const auto graph = topology::from_synthetic("3:2 nic=[10gbit x2,1gbit]").value("synthetic");
  const Plan plan = plan_of(topology::LocalityTree::derive(graph), uniform(4096), "direct");
  EXPECT_DOUBLE_EQ(link(plan, "node2 egress").share, 1);
  EXPECT_DOUBLE_EQ(link(plan, "node0 egress").share, 0.1);
  const auto busiest = busiest_links(plan.movement, 3);
  ASSERT_EQ(busiest.size(), 3U);
  EXPECT_EQ(busiest[0].name, "node2 egress");
  EXPECT_EQ(busiest[1].name, "node2 ingress");
}

TEST(Movement, RacksThenTheirUplinksCarryOnlyWhatLeavesThem) {
  const auto graph = topology::from_synthetic("4:2 nic=10gbit racks=2 uplink=5gbit").value("synthetic");
  const Plan plan = plan_of(topology::LocalityTree::derive(graph), uniform(100), "direct");
  EXPECT_EQ(link(plan, "node0 egress").bytes, 2U * 6 * 100);
  EXPECT_EQ(link(plan, "leaf1 ingress").bytes, 4U * 4 * 100);
  EXPECT_EQ(plan.movement.steps[0].prediction.busiest, "leaf0 egress");
}

TEST(Movement, BruckThenForwardedBlocksCountOnEveryHop) {
  const auto tree = tree_of({2, 2, 2, 2, 2});
  const Plan plan = plan_of(tree, uniform(8), "bruck(2)");
  const bruck::Digits digits(5, 2);
  uint64_t hops = 0;
  for (int distance = 1; distance < 5; ++distance) {
    hops += static_cast<uint64_t>(digits.num_hops(distance));
  }
  for (const LinkLoad& load : plan.movement.links) {
    EXPECT_EQ(load.bytes, 2 * 2 * 8 * hops) << load.name;
  }
  EXPECT_EQ(plan.movement.steps.size(), static_cast<size_t>(2 * digits.num_rounds() + 1));
}

TEST(Movement, SelfDescribingMessagesThenTheirHeadersListAllTheirBlocks) {
  const auto tree = tree_of({2, 2});
  const uint64_t large = uint64_t{1} << 20;
  std::vector<uint64_t> matrix(16, 8);
  matrix[0 * 4 + 2] = large;  // travels directly, and its size stands in the header of the message beside it
  matrix[1 * 4 + 3] = 0;      // travels nowhere, but is listed
  const Plan plan = plan_of(tree, of(matrix), "hierarchical(node)");
  ASSERT_LT(plan.choice.block_limit, large);
  const uint64_t header = schedule::listed_bytes(large) + 2 * schedule::listed_bytes(8) + schedule::listed_bytes(0);
  EXPECT_EQ(link(plan, "node0 egress").bytes, large + 2 * 8 + header);
  EXPECT_EQ(link(plan, "node0 egress").messages, 2U);
}

TEST(Movement, PairsOfNoBytesThenNoMessages) {
  const auto tree = tree_of({2, 2});
  std::vector<uint64_t> matrix(16, 0);
  matrix[3] = 64;
  const Plan plan = plan_of(tree, of(matrix), "direct");
  EXPECT_EQ(plan.num_messages, 1U);
  EXPECT_THAT(plan.message_bytes, ElementsAre(64));
}

TEST(Movement, AnyScheduleThenLinksCarryAtLeastWhatMustCrossAndAddUp) {
  EXPECT_TRUE(rc::check("sums", [] {
    const auto sizes = *rc::gen::nonEmpty(rc::gen::container<std::vector<int>>(rc::gen::inRange(1, 5)));
    const auto tree = tree_of(sizes);
    TrafficSpec spec = parse_traffic_spec("zeros:4k,fraction=0.5");
    spec.seed = *rc::gen::inRange<uint64_t>(0, 1000);
    const TrafficMatrix matrix = generate_traffic(spec, tree.num_ranks());
    const char* algorithm = *rc::gen::element("direct", "hierarchical(rail)", "hierarchical(node)", "bruck(2)");
    const Plan plan = plan_of(tree, of(matrix.bytes), algorithm);
    const TrafficMatrix between = host_matrix(matrix, tree);
    std::map<bool, uint64_t> crossed;
    double busiest_s = 0;
    for (const LinkLoad& load : plan.movement.links) {
      crossed[load.egress] += load.bytes;
      busiest_s = std::max(busiest_s, load.time_s);
      RC_ASSERT(load.share <= 1.0);
    }
    RC_ASSERT(crossed[true] == plan.wire_bytes);
    RC_ASSERT(crossed[false] == plan.wire_bytes);
    RC_ASSERT(plan.wire_bytes >= plan.logical_bytes);
    RC_ASSERT(busiest_s >= plan.lower_bound_s * (1 - 1e-12));
    uint64_t payload = 0;
    for (const uint64_t bytes : plan.message_bytes) {
      payload += bytes;
    }
    uint64_t in_steps = 0;
    for (const StepLoad& step : plan.movement.steps) {
      in_steps += step.remote_bytes + step.local_bytes;
    }
    RC_ASSERT(payload == in_steps);
  }));
}

}  // namespace
}  // namespace banyan::planner
