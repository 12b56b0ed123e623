// SPDX-License-Identifier: Apache-2.0
#include "banyan-sim/uniform_source.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "cost/profile.hpp"
#include "planner/select.hpp"
#include "scenes.hpp"
#include "simulator/simulate.hpp"

namespace banyan::sim_tool {
namespace {

using planner::Algorithm;
using planner::Hosts;
using simulator::Timeline;
using simulator::testing::Sizes;
using topology::LocalityTree;

/// Machines with a cost for everything, and the same exchange as a schedule and without one.
struct Scene {
  LocalityTree tree;
  cost::CostModel model{};
  uint64_t block_bytes = 0;
  int window = 0;

  [[nodiscard]] schedule::Schedule schedule(Algorithm algorithm) const {
    std::vector<schedule::RankSchedule> parts;
    const Hosts hosts(tree);
    for (int rank = 0; rank < tree.num_ranks(); ++rank) {
      parts.push_back(planner::build_part(hosts, rank, algorithm, true, false));
    }
    return schedule::join(parts, "", window);
  }
  [[nodiscard]] Timeline explicit_one(Algorithm algorithm) const {
    const Sizes sizes(tree.num_ranks(), block_bytes);
    return simulator::simulate(schedule(algorithm), sizes.view(), tree, model, {.keep_messages = false});
  }
  [[nodiscard]] Timeline lazy_one(Algorithm algorithm) const {
    const Hosts hosts(tree);
    UniformSource source(hosts, algorithm, block_bytes, window);
    return simulator::simulate(source, tree, model, {.keep_messages = false});
  }
};

Scene scene_of(const std::string& synthetic, uint64_t block_bytes, int window) {
  Scene scene{.tree = simulator::testing::tree_of(synthetic), .block_bytes = block_bytes, .window = window};
  scene.model = cost::nominal_model(scene.tree);
  for (auto& tier : scene.model.tiers) {
    tier.gap_s = tier.overhead_s / 2;
  }
  return scene;
}

void expect_equal(const Timeline& a, const Timeline& b) {
  RC_ASSERT(a.num_messages == b.num_messages);
  RC_ASSERT(a.links == b.links);
  RC_ASSERT(a.steps == b.steps);
  RC_ASSERT(a.ranks == b.ranks);
  RC_ASSERT(a.total_s == b.total_s);
}

std::string random_machine() {
  const int hosts = *rc::gen::inRange(1, 7);
  std::string text = std::to_string(hosts) + ":[";
  for (int host = 0; host < hosts; ++host) {
    text += (host > 0 ? "," : "") + std::to_string(*rc::gen::inRange(1, 5));
  }
  text += "] nic=10gbit racks=" + std::to_string(*rc::gen::inRange(1, hosts + 1)) + " uplink=10gbit";
  return text + (*rc::gen::arbitrary<bool>() ? " order=cyclic" : "");
}

TEST(UniformSource, AnyMachineThenTheTimelineOfTheSchedule) {
  EXPECT_TRUE(rc::check("direct and hierarchical", [] {
    const Scene scene =
        scene_of(random_machine(), *rc::gen::element<uint64_t>(1, 1000, 100000), *rc::gen::inRange(0, 4));
    for (const Algorithm::Kind kind :
         {Algorithm::kDirect, Algorithm::kHierarchicalRail, Algorithm::kHierarchicalNode}) {
      expect_equal(scene.lazy_one(kind), scene.explicit_one(kind));
    }
  }));
}

TEST(UniformSource, BruckThenTheMessagesOfTheScheduleLittleLater) {
  EXPECT_TRUE(rc::check("bruck", [] {
    const int hosts = *rc::gen::inRange(1, 12);
    const int ranks = *rc::gen::inRange(1, 4);
    Scene scene = scene_of(std::to_string(hosts) + ":" + std::to_string(ranks) + " nic=10gbit", 1000, 0);
    scene.model.tiers[static_cast<size_t>(topology::Tier::kRack)].gap_s = 0;  // nothing that ranks of a host queue for,
    scene.model.host_copy_bytes_per_s = 0;  // so that cores are busy for their own work
    const Algorithm bruck(Algorithm::kBruck, *rc::gen::inRange(2, 6));
    const Timeline lazy = scene.lazy_one(bruck);
    const Timeline whole = scene.explicit_one(bruck);
    RC_ASSERT(lazy.num_messages == whole.num_messages);
    RC_ASSERT(lazy.steps.size() == whole.steps.size());
    for (size_t i = 0; i < lazy.links.size(); ++i) {
      RC_ASSERT(lazy.links[i].bytes == whole.links[i].bytes);
    }
    for (size_t i = 0; i < lazy.steps.size(); ++i) {
      RC_ASSERT(lazy.steps[i].bytes == whole.steps[i].bytes);
    }
    // It waits for all digits of earlier rounds, not only for those that it carries on, and so meets others elsewhere.
    const double alpha_s = scene.model.tiers[static_cast<size_t>(topology::Tier::kRack)].alpha_s;
    RC_ASSERT(lazy.total_s >= whole.total_s * 0.9);
    RC_ASSERT(lazy.total_s <= whole.total_s + static_cast<double>(lazy.steps.size()) * alpha_s);
    for (size_t rank = 0; rank < lazy.ranks.size(); ++rank) {
      RC_ASSERT(std::abs(lazy.ranks[rank].busy_s - whole.ranks[rank].busy_s) <= 1e-9 * whole.total_s);
    }
  }));
}

}  // namespace
}  // namespace banyan::sim_tool
