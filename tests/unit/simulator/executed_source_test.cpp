// SPDX-License-Identifier: Apache-2.0
#include "simulator/executed_source.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <numeric>

#include "banyan-sim/execution_of.hpp"
#include "base/error.hpp"
#include "cost/profile.hpp"
#include "scenes.hpp"
#include "simulator/simulate.hpp"

namespace banyan::sim_tool {
namespace {

using planner::Hosts;
using simulator::ExecutedSource;
using simulator::Execution;
using simulator::Options;
using simulator::Timeline;
using topology::LocalityTree;

constexpr size_t kSlotBytes = 4096;

/// Machines, an exchange, and how it is planned.
struct Scene {
  LocalityTree tree;
  cost::CostModel model{};
  std::vector<uint64_t> matrix{};  ///< empty: uniform
  uint64_t block_bytes = 0;
  planner::Wish wish{};

  [[nodiscard]] planner::Plan plan() const {
    const Hosts hosts(tree);
    return planner::make_plan({tree, hosts, model}, {block_bytes, matrix}, wish, kSlotBytes);
  }
  [[nodiscard]] std::vector<uint64_t> sizes() const {
    const auto ranks = static_cast<size_t>(tree.num_ranks());
    return matrix.empty() ? std::vector<uint64_t>(ranks * ranks, block_bytes) : matrix;
  }
};

Scene scene_of(const std::string& synthetic) {
  Scene scene{.tree = simulator::testing::tree_of(synthetic)};
  scene.model = cost::nominal_model(scene.tree);
  for (auto& tier : scene.model.tiers) {
    tier.gap_s = tier.overhead_s / 2;
  }
  return scene;
}

/// How the exchange of a scene is run.
struct Manner {
  int exchanges = 1;
  int rails = 1;
  Options options{};
};

Timeline execute(const Scene& scene, const Manner& manner) {
  const Hosts hosts(scene.tree);
  const planner::Plan plan = scene.plan();
  const std::vector<uint64_t> sizes = scene.sizes();
  Execution execution = execution_of({scene.tree, hosts, scene.model}, plan, manner.rails, kSlotBytes);
  execution.sizes = {plan.num_ranks, sizes};
  execution.exchanges = manner.exchanges;
  Options options = manner.options;
  options.keep_messages = false;
  options.rail_shares.assign(manner.rails > 1 ? static_cast<size_t>(manner.rails) : 0, 1.0 / manner.rails);
  ExecutedSource source(execution);
  return simulator::simulate(source, scene.tree, scene.model, options);
}

Scene random_scene() {
  const int hosts = *rc::gen::inRange(1, 5);
  std::string text = std::to_string(hosts) + ":[";
  for (int host = 0; host < hosts; ++host) {
    text += (host > 0 ? "," : "") + std::to_string(*rc::gen::inRange(1, 5));
  }
  Scene scene = scene_of(text + "] nic=10gbit");
  scene.wish.algorithm = *rc::gen::element<std::string>("auto", "direct", "hierarchical(rail)", "hierarchical(node)");
  scene.wish.pace = {.chunk_bytes = *rc::gen::element<size_t>(0, 1000, 16384), .window = *rc::gen::inRange(0, 4)};
  if (*rc::gen::arbitrary<bool>()) {
    scene.block_bytes = *rc::gen::element<uint64_t>(1, 100, 5000, 100000);
    return scene;
  }
  const auto ranks = static_cast<size_t>(scene.tree.num_ranks());
  for (size_t i = 0; i < ranks * ranks; ++i) {
    scene.matrix.push_back(*rc::gen::element<uint64_t>(0, 0, 1, 300, 40000, 300000));
  }
  return scene;
}

Manner random_manner() {
  Manner manner{.exchanges = *rc::gen::inRange(1, 4), .rails = *rc::gen::inRange(1, 4)};
  if (*rc::gen::arbitrary<bool>()) {
    manner.options.queues = simulator::Queues{.packet_bytes = *rc::gen::element<uint64_t>(1500, 61440)};
  }
  return manner;
}

uint64_t bytes_of(const Timeline& timeline) {
  return std::accumulate(timeline.steps.begin(), timeline.steps.end(), uint64_t{0},
                         [](uint64_t sum, const auto& step) { return sum + step.bytes; });
}

/// Bytes that leave hosts, over all their rails.
uint64_t bytes_out(const Scene& scene, const Timeline& timeline) {
  uint64_t sum = 0;
  for (const auto& link : timeline.links) {
    sum += link.egress && scene.tree.node(link.subtree).tier == topology::Tier::kNode ? link.bytes : 0;
  }
  return sum;
}

TEST(ExecutedSource, RandomExchangesThenEveryByteOfThePlanOnceAnExchangeAndAtMostAtTheLinksRate) {
  EXPECT_TRUE(rc::check([] {
    const Scene scene = random_scene();
    const Manner manner = random_manner();
    const planner::Plan plan = scene.plan();
    const Timeline timeline = execute(scene, manner);
    const auto times = static_cast<uint64_t>(manner.exchanges);
    RC_ASSERT(bytes_of(timeline) ==
              times * std::accumulate(plan.message_bytes.begin(), plan.message_bytes.end(), uint64_t{0}));
    RC_ASSERT(bytes_out(scene, timeline) == times * plan.wire_bytes);
    RC_ASSERT(timeline.total_s >= simulator::wire_bound_s(timeline) * (1 - 1e-9));
    RC_ASSERT(timeline.total_s >= manner.exchanges * plan.lower_bound_s * (1 - 1e-9));
  }));
}

TEST(ExecutedSource, SameInputThenSameTimeline) {
  EXPECT_TRUE(rc::check([] {
    const Scene scene = random_scene();
    const Manner manner = random_manner();
    RC_ASSERT(execute(scene, manner) == execute(scene, manner));
  }));
}

TEST(ExecutedSource, WholeMessagesThenTheTimelineIsTheSchedules) {
  for (const char* algorithm : {"hierarchical(rail)", "hierarchical(node)"}) {
    Scene scene = scene_of("3:[4,4,3] nic=100gbit");  // as RDMA cards: no copies in the transport
    scene.block_bytes = 64;
    scene.wish.algorithm = algorithm;
    const planner::Plan plan = scene.plan();
    const std::vector<uint64_t> sizes = scene.sizes();
    const Timeline whole =
        simulator::simulate(plan.schedule, {plan.num_ranks, sizes}, scene.tree, scene.model, {.keep_messages = false});
    const Timeline executed = execute(scene, {});
    EXPECT_EQ(executed.num_messages, whole.num_messages) << algorithm;
    EXPECT_NEAR(executed.total_s, whole.total_s, 1e-12) << algorithm;
    EXPECT_EQ(executed.links, whole.links) << algorithm;
  }
}

TEST(ExecutedSource, LargePairsThenTravelInThePacesPieces) {
  Scene scene = scene_of("2:1 nic=10gbit");
  scene.block_bytes = 100000;
  scene.wish = {.algorithm = "direct", .pace = {.chunk_bytes = 10000, .window = 2}};
  EXPECT_EQ(execute(scene, {}).num_messages, 20U);
}

TEST(ExecutedSource, TwoRailsThenEachCarriesAboutHalf) {
  Scene scene = scene_of("2:2 nic=10gbit rails=2");
  scene.block_bytes = 1 << 20;
  scene.wish.algorithm = "direct";
  const Timeline timeline = execute(scene, {.rails = 2});
  for (const auto& link : timeline.links) {
    EXPECT_NEAR(static_cast<double>(link.bytes), 2.0 * (1 << 20), 1 << 15) << link.subtree << " rail " << link.rail;
  }
}

TEST(ExecutedSource, ExchangesInARowThenTheyOverlapButDoNotOvertake) {
  Scene scene = scene_of("4:4 nic=10gbit");
  scene.block_bytes = 4096;
  scene.wish.algorithm = "direct";
  const double one_s = execute(scene, {}).total_s;
  const double ten_s = execute(scene, {.exchanges = 10}).total_s;
  EXPECT_LT(ten_s, 10 * one_s);
  EXPECT_GT(ten_s, 10 * scene.plan().lower_bound_s);
}

TEST(ExecutedSource, PartsOfDifferentNumbersOfRanksThenInvalidArgument) {
  Scene scene = scene_of("2:2 nic=10gbit");
  scene.block_bytes = 8;
  const Hosts hosts(scene.tree);
  const planner::Plan plan = scene.plan();
  Execution execution = execution_of({scene.tree, hosts, scene.model}, plan, 1, kSlotBytes);
  EXPECT_THROW(ExecutedSource{execution}, Error);  // no sizes
}

}  // namespace
}  // namespace banyan::sim_tool
