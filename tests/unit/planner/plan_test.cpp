// SPDX-License-Identifier: Apache-2.0
#include "planner/plan.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <numeric>

#include "cost/profile.hpp"
#include "planner/traffic_generators.hpp"
#include "schedule/text.hpp"
#include "topology/locality_tree.hpp"
#include "trees.hpp"

namespace banyan::planner {
namespace {

/// make_plan verifies what it makes and throws if that fails.
Plan plan_of(const topology::LocalityTree& tree, const std::vector<uint64_t>& matrix, const std::string& algorithm,
             size_t slot_bytes = 8192) {
  const Hosts hosts(tree);
  const cost::CostModel model = cost::nominal_model(tree);
  return make_plan({tree, hosts, model}, {.block_bytes = 0, .matrix = matrix}, {.algorithm = algorithm}, slot_bytes);
}

TEST(MakePlan, WhenEveryPairOfAMessageIsLargeThenItIsStillSent) {
  const auto tree = tree_of({4, 4});
  const std::vector<uint64_t> matrix(64, uint64_t{4} << 20);  // all above the limit of aggregation
  const Plan plan = plan_of(tree, matrix, "hierarchical(rail)");
  // Direct: 2 * 4 * 4 messages between hosts; aggregated and now without blocks: one per rank, for its rail peer.
  EXPECT_EQ(plan.num_messages, 32U + 8U);
}

TEST(MakePlan, MoeShapedTrafficOnUnevenHostsThenThePlanHolds) {
  EXPECT_TRUE(rc::check("verified for every algorithm and size", [] {
    const auto sizes = *rc::gen::nonEmpty(rc::gen::container<std::vector<int>>(rc::gen::inRange(1, 5)));
    const auto tree = tree_of(sizes);
    TrafficSpec spec = parse_traffic_spec("moe");
    spec.average_bytes = uint64_t{1} << *rc::gen::inRange(0, 22);
    spec.seed = *rc::gen::inRange<uint64_t>(0, 1000);
    const TrafficMatrix matrix = generate_traffic(spec, tree.num_ranks());
    const char* algorithm =
        *rc::gen::element("auto", "direct", "hierarchical(rail)", "hierarchical(node)", "bruck(2)", "bruck(3)");
    const Plan plan = plan_of(tree, matrix.bytes, algorithm);
    RC_ASSERT(plan.wire_bytes >= plan.logical_bytes);
    RC_ASSERT(schedule::parse(schedule::print(plan.schedule)).value("IR") == plan.schedule);
  }));
}

TEST(MakePlan, SmallPairsOneWayAndLargeOnesTheOtherThenTheWireTimesDoNotAdd) {
  const auto tree = tree_of({2, 2});
  const uint64_t limit = plan_of(tree, std::vector<uint64_t>(16, 8), "hierarchical(rail)").choice.block_limit;
  std::vector<uint64_t> matrix(16, 0);
  for (const size_t from : {0, 1}) {
    for (const size_t to : {2, 3}) {
      matrix[from * 4 + to] = limit;
      matrix[to * 4 + from] = limit + 1;
    }
  }
  const Plan plan = plan_of(tree, matrix, "hierarchical(rail)");
  EXPECT_GE(plan.choice.chosen.prediction.wire_s, plan.lower_bound_s);
  EXPECT_LT(plan.choice.chosen.prediction.wire_s, 1.2 * plan.lower_bound_s);
}

TEST(MakePlan, ScratchIsTheMemoryThatMessagesTakeBesideTheBuffers) {
  const auto tree = tree_of({2, 2});
  const std::vector<uint64_t> matrix(16, 8);
  EXPECT_EQ(plan_of(tree, matrix, "direct").scratch_bytes, 0U);
  // Per rank a message to its rail peer and one from it, both of 2 blocks: sizes (5 bytes at most) and bytes up to the
  // limit. The messages inside the host lie in slots.
  const Plan rail = plan_of(tree, matrix, "hierarchical(rail)");
  const uint64_t one = (2 * (5 + rail.choice.block_limit) + 63) / 64 * 64;
  EXPECT_EQ(rail.scratch_bytes, 2 * one);
  EXPECT_GT(plan_of(tree, matrix, "hierarchical(rail)", 0).scratch_bytes, 2 * one);
}

}  // namespace
}  // namespace banyan::planner
