// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <numeric>
#include <optional>

#include "scenes.hpp"
#include "schedules.hpp"
#include "simulator/simulate.hpp"

namespace banyan::simulator {
namespace {

using schedule::Schedule;
using testing::Sizes;
using topology::LocalityTree;
using topology::Tier;

/// A random exchange on random machines.
struct Scene {
  LocalityTree tree;
  cost::CostModel model;
  Schedule schedule;
  Sizes sizes{0, 0};
};

double draw(int from, int to, double unit) { return *rc::gen::inRange(from, to) * unit; }

cost::TierCost random_tier() {
  return {.alpha_s = draw(0, 50, 1e-6),
          .overhead_s = draw(0, 5, 1e-6),
          .gap_s = draw(0, 3, 1e-6),
          .flow_bytes_per_s = draw(0, 10, 3e7)};
}

/// Hosts of 1 to 4 ranks in 1 to 3 racks; everything else random, 0 (no limit, no time) included.
Scene random_scene() {
  const int hosts = *rc::gen::inRange(2, 7);
  std::vector<std::vector<int>> ranks(static_cast<size_t>(hosts));
  std::string sizes;
  int next = 0;
  for (auto& host : ranks) {
    host.resize(static_cast<size_t>(*rc::gen::inRange(1, 5)));
    std::iota(host.begin(), host.end(), next);
    next += static_cast<int>(host.size());
    sizes += (sizes.empty() ? "[" : ",") + std::to_string(host.size());
  }
  const std::string racks = std::to_string(std::min(hosts, *rc::gen::inRange(1, 4)));
  Scene scene;
  scene.tree = testing::tree_of(std::to_string(hosts) + ":" + sizes + "] racks=" + racks);
  for (size_t i = 0; i < scene.tree.nodes().size(); ++i) {
    const bool inside = scene.tree.nodes()[i].tier == Tier::kDomain || scene.tree.nodes()[i].tier == Tier::kCluster;
    scene.model.subtrees.push_back({inside ? 0 : draw(0, 5, 5e7), inside ? 0 : draw(0, 5, 5e7), false});
  }
  for (auto& tier : scene.model.tiers) {
    tier = random_tier();
  }
  scene.model.local_message = random_tier();
  scene.model.copy_bytes_per_s = draw(0, 4, 1e9);
  scene.model.host_copy_bytes_per_s = draw(0, 4, 2e9);
  scene.schedule = *rc::gen::inRange(0, 3) == 0 ? schedule::testing::two_level(ranks)
                   : *rc::gen::inRange(0, 2) == 0
                       ? schedule::testing::direct(next)
                       : schedule::testing::random_paths(next, 2, *rc::gen::arbitrary<uint64_t>());
  scene.schedule.window = *rc::gen::inRange(0, 4);
  scene.sizes = Sizes(next, 0);
  for (uint64_t& bytes : scene.sizes.bytes) {
    bytes = *rc::gen::element<uint64_t>(0, 1, 1000, 100000, 1 << 20);
  }
  return scene;
}

Timeline run(const Scene& scene) { return simulate(scene.schedule, scene.sizes.view(), scene.tree, scene.model); }

/// Bytes of the messages that cross a link, counted from the schedule.
uint64_t bytes_over(const Scene& scene, const LinkTiming& link, const std::vector<uint64_t>& message_bytes) {
  const auto& node = scene.tree.node(link.subtree);
  const auto inside = [&](int rank) { return scene.tree.ancestor(rank, node.tier) == link.subtree; };
  uint64_t sum = 0;
  for (size_t i = 0; i < message_bytes.size(); ++i) {
    const auto& message = scene.schedule.messages[i];
    const bool leaves = inside(message.from) && !inside(message.to);
    const bool enters = !inside(message.from) && inside(message.to);
    sum += (link.egress ? leaves : enters) ? message_bytes[i] : 0;
  }
  return sum;
}

std::vector<uint64_t> bytes_of_messages(const Scene& scene) {
  std::vector<uint64_t> result;
  for (const auto& message : scene.schedule.messages) {
    uint64_t bytes = 0;
    for (const auto& block : message.blocks) {
      const uint64_t size = scene.sizes.view().of(block);
      bytes += size;
      for (uint64_t rest = message.self_describing ? size : 0; message.self_describing; rest >>= 7) {
        ++bytes;  // the header, seven bits a byte
        if (rest < 0x80) {
          break;
        }
      }
    }
    result.push_back(bytes);
  }
  return result;
}

TEST(SimulateProperty, EveryByteCrossesItsLinksAndNoneIsFasterThanTheyAre) {
  EXPECT_TRUE(rc::check("conservation and the lower bound", [] {
    const Scene scene = random_scene();
    const Timeline timeline = run(scene);
    const std::vector<uint64_t> bytes = bytes_of_messages(scene);
    for (const LinkTiming& link : timeline.links) {
      RC_ASSERT(link.bytes == bytes_over(scene, link, bytes));
      RC_ASSERT(static_cast<double>(link.bytes) / link.capacity_bytes_per_s <= link.busy_s * (1 + 1e-9));
      RC_ASSERT(link.busy_s <= timeline.total_s * (1 + 1e-9));
    }
    RC_ASSERT(timeline.total_s >= wire_bound_s(timeline) * (1 - 1e-9));
    uint64_t sent = 0;
    for (const StepTiming& step : timeline.steps) {
      sent += step.bytes;
    }
    RC_ASSERT(sent == std::accumulate(bytes.begin(), bytes.end(), uint64_t{0}));
  }));
}

TEST(SimulateProperty, MessagesThenTheirTimesAreInOrderAndBlocksAreThereBeforeTheyAreSent) {
  EXPECT_TRUE(rc::check("causality", [] {
    const Scene scene = random_scene();
    const Timeline timeline = run(scene);
    const auto& messages = scene.schedule.messages;
    const double slack = timeline.total_s * 1e-9;
    for (size_t i = 0; i < messages.size(); ++i) {
      const MessageTiming& timing = timeline.messages[i];
      RC_ASSERT(timing.issue_s <= timing.wire_start_s && timing.wire_start_s <= timing.wire_end_s + slack);
      RC_ASSERT(timing.wire_end_s <= timing.done_s && timing.done_s <= timeline.total_s);
      for (size_t k = 0; k < messages.size() && timing.done_s > 0; ++k) {
        for (const auto& block : messages[i].blocks) {
          const bool brings =
              messages[k].to == messages[i].from && block.src != messages[i].from &&
              std::find(messages[k].blocks.begin(), messages[k].blocks.end(), block) != messages[k].blocks.end();
          RC_ASSERT(!brings || timeline.messages[k].done_s <= timing.issue_s + slack);
        }
      }
    }
  }));
}

TEST(SimulateProperty, WindowThenNoMoreSendsAreInFlight) {
  EXPECT_TRUE(rc::check("window", [] {
    Scene scene = random_scene();
    scene.schedule.window = *rc::gen::inRange(1, 4);
    const Timeline timeline = run(scene);
    const auto& messages = scene.schedule.messages;
    for (size_t i = 0; i < messages.size(); ++i) {
      int in_flight = 0;
      for (size_t k = 0; k < messages.size(); ++k) {
        const bool counts = messages[k].from == messages[i].from && messages[k].path == schedule::Path::kMessage;
        const auto& [a, b] = std::pair(timeline.messages[k], timeline.messages[i]);
        in_flight += counts && a.issue_s <= b.issue_s && a.wire_end_s > b.issue_s ? 1 : 0;
      }
      RC_ASSERT(in_flight <= scene.schedule.window);
    }
  }));
}

TEST(SimulateProperty, SameInputThenSameTimeline) {
  EXPECT_TRUE(rc::check("determinism", [] {
    const Scene scene = random_scene();
    RC_ASSERT(run(scene) == run(scene));
  }));
}

TEST(SimulateProperty, EverythingTwiceAsFastThenHalfTheTime) {
  EXPECT_TRUE(rc::check("scaling", [] {
    Scene scene = random_scene();
    const double before_s = run(scene).total_s;
    const auto hasten = [](cost::TierCost& tier) {
      tier.alpha_s /= 2;
      tier.overhead_s /= 2;
      tier.gap_s /= 2;
      tier.flow_bytes_per_s *= 2;
    };
    std::for_each(scene.model.tiers.begin(), scene.model.tiers.end(), hasten);
    hasten(scene.model.local_message);
    for (auto& subtree : scene.model.subtrees) {
      subtree.egress_bytes_per_s *= 2;
      subtree.ingress_bytes_per_s *= 2;
    }
    scene.model.copy_bytes_per_s *= 2;
    scene.model.host_copy_bytes_per_s *= 2;
    RC_ASSERT(run(scene).total_s == before_s / 2);  // exact: powers of two
  }));
}

TEST(SimulateProperty, OneMessageThenLatencyAndItsBytesAtTheSlowestRate) {
  EXPECT_TRUE(rc::check("a message alone", [] {
    Scene scene = random_scene();
    scene.sizes = Sizes(scene.tree.num_ranks(), 0);
    const int last = scene.tree.num_ranks() - 1;
    scene.sizes.at(0, last) = static_cast<uint64_t>(*rc::gen::inRange(1, 1000000));
    scene.schedule.messages = {testing::block_message(0, last)};
    const bool one_rack = scene.tree.common_tier(0, last) == Tier::kRack;
    const auto& tier = scene.model.tiers[static_cast<size_t>(one_rack ? Tier::kRack : Tier::kCluster)];
    double rate = tier.flow_bytes_per_s;
    const auto narrow = [&rate](double capacity) {
      rate = capacity > 0 && (rate == 0 || capacity < rate) ? capacity : rate;
    };
    for (const Tier boundary : {Tier::kNode, Tier::kRack}) {
      if (boundary == Tier::kRack && one_rack) {
        continue;
      }
      narrow(scene.model.subtrees[static_cast<size_t>(scene.tree.ancestor(0, boundary))].egress_bytes_per_s);
      narrow(scene.model.subtrees[static_cast<size_t>(scene.tree.ancestor(last, boundary))].ingress_bytes_per_s);
    }
    const double wire_s = rate > 0 ? static_cast<double>(scene.sizes.at(0, last)) / rate : 0;
    const double latency_s = std::max(tier.alpha_s, 2 * std::max(tier.overhead_s, tier.gap_s));
    const double expected_s = latency_s + wire_s;
    RC_ASSERT(std::abs(run(scene).total_s - expected_s) <= expected_s * 1e-9);
  }));
}

}  // namespace
}  // namespace banyan::simulator
