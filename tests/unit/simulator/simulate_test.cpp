// SPDX-License-Identifier: Apache-2.0
#include "simulator/simulate.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "scenes.hpp"
#include "schedules.hpp"

namespace banyan::simulator {
namespace {

using schedule::Path;
using schedule::Schedule;
using testing::block_message;
using testing::Sizes;
using testing::tree_of;
using testing::wires_only;
using topology::LocalityTree;
using topology::Tier;

cost::TierCost& tier(cost::CostModel& model, Tier of) { return model.tiers[static_cast<size_t>(of)]; }

/// Two hosts of one rank, and what is between them.
class TwoHosts : public ::testing::Test {
 protected:
  TwoHosts() : tree_(LocalityTree::from_hosts({{0}, {1}}, 1e6)), model_(wires_only(tree_)), sizes_(2, 0) {}

  Timeline run(const std::vector<schedule::Message>& messages, int window = 0) {
    return simulate({.algorithm = "", .num_ranks = 2, .window = window, .messages = messages}, sizes_.view(), tree_,
                    model_);
  }

  LocalityTree tree_;
  cost::CostModel model_;
  Sizes sizes_;
};

TEST_F(TwoHosts, OneMessageThenAlphaAndBytesOverRate) {
  sizes_.at(0, 1) = 1000;
  tier(model_, Tier::kRack) = {.alpha_s = 20e-6, .overhead_s = 3e-6, .gap_s = 2e-6, .flow_bytes_per_s = 5e5};
  const Timeline timeline = run({block_message(0, 1)});
  EXPECT_DOUBLE_EQ(timeline.total_s, 20e-6 + 1000 / 5e5);
  ASSERT_EQ(timeline.messages.size(), 1);
  EXPECT_EQ(timeline.messages[0].issue_s, 0);
  EXPECT_DOUBLE_EQ(timeline.messages[0].wire_start_s, 17e-6);
  EXPECT_DOUBLE_EQ(timeline.messages[0].wire_end_s, 17e-6 + 2e-3);
  EXPECT_EQ(timeline.messages[0].done_s, timeline.total_s);
  EXPECT_DOUBLE_EQ(timeline.ranks[0].busy_s, 3e-6);
}

TEST_F(TwoHosts, BothDirectionsThenNeitherDelaysTheOther) {
  sizes_ = Sizes(2, 1000);
  EXPECT_DOUBLE_EQ(run({block_message(0, 1), block_message(1, 0)}).total_s, 1e-3);
}

TEST_F(TwoHosts, NoBytesThenNothingIsSent) {
  const Timeline timeline = run({block_message(0, 1)});
  EXPECT_EQ(timeline.total_s, 0);
  EXPECT_EQ(timeline.num_messages, 0);
  EXPECT_EQ(timeline.messages.size(), 1);
}

TEST_F(TwoHosts, HeaderThenItsBytesTravelToo) {
  sizes_.at(0, 1) = 200;
  schedule::Message message = block_message(0, 1);
  message.self_describing = true;
  EXPECT_DOUBLE_EQ(run({message}).total_s, 202 / 1e6);
}

TEST_F(TwoHosts, OwnBlockThenItIsCopiedBeforeSends) {
  sizes_ = Sizes(2, 1000);
  model_.copy_bytes_per_s = 2e6;
  EXPECT_DOUBLE_EQ(run({block_message(0, 1)}).total_s, 1000 / 2e6 + 1000 / 1e6);
}

TEST_F(TwoHosts, LinksThenTheirBytesAndBusyTimeAreCounted) {
  sizes_.at(0, 1) = 1000;
  const Timeline timeline = run({block_message(0, 1)});
  ASSERT_EQ(timeline.links.size(), 4);
  const auto host0 = static_cast<int>(tree_.ancestor(0, Tier::kNode));
  EXPECT_EQ(timeline.links[0], (LinkTiming{host0, true, 1e6, 1000, 1e-3}));
  EXPECT_EQ(timeline.links[1], (LinkTiming{host0, false, 1e6, 0, 0}));
  EXPECT_DOUBLE_EQ(wire_bound_s(timeline), 1e-3);
}

/// Three hosts of one rank; rank 0 sends to both others.
Timeline fan_out(int window, const cost::TierCost& cost) {
  const LocalityTree tree = LocalityTree::from_hosts({{0}, {1}, {2}}, 1e6);
  cost::CostModel model = wires_only(tree);
  tier(model, Tier::kRack) = cost;
  Sizes sizes(3, 1000);
  return simulate(
      {.algorithm = "", .num_ranks = 3, .window = window, .messages = {block_message(0, 1), block_message(0, 2)}},
      sizes.view(), tree, model);
}

TEST(Simulate, NoWindowThenSendsShareTheLink) {
  const Timeline timeline = fan_out(0, {});
  EXPECT_DOUBLE_EQ(timeline.messages[0].wire_end_s, 2e-3);
  EXPECT_DOUBLE_EQ(timeline.messages[1].wire_end_s, 2e-3);
}

TEST(Simulate, WindowOfOneThenSendsFollowEachOther) {
  const Timeline timeline = fan_out(1, {.alpha_s = 1e-4});
  EXPECT_DOUBLE_EQ(timeline.messages[0].wire_end_s, 1.1e-3);
  EXPECT_DOUBLE_EQ(timeline.messages[1].issue_s, 1.1e-3);
  EXPECT_DOUBLE_EQ(timeline.total_s, 2.2e-3);
}

TEST(Simulate, OverheadThenARankIssuesOneAfterTheOther) {
  const Timeline timeline = fan_out(0, {.alpha_s = 1e-4, .overhead_s = 1e-5});
  EXPECT_DOUBLE_EQ(timeline.messages[1].wire_start_s - timeline.messages[0].wire_start_s, 1e-5);
}

TEST(Simulate, GapAtSenderThenReceiversHostsSpendNone) {
  // Two hosts send one message each to the third, whose own gap would make them wait for each other.
  const LocalityTree tree = LocalityTree::from_hosts({{0}, {1}, {2, 3}}, 1e12);
  cost::CostModel model = wires_only(tree);
  tier(model, Tier::kRack) = {.alpha_s = 1e-4, .gap_s = 1e-5};
  Sizes sizes(4, 1);
  const auto total_s = [&](bool at_sender) {
    return simulate(
               {.algorithm = "", .num_ranks = 4, .window = 0, .messages = {block_message(0, 2), block_message(1, 3)}},
               sizes.view(), tree, model, {.gap_at_sender = at_sender})
        .total_s;
  };
  // g, what of alpha is not g, and at the receiver's host g twice; or 2 g at the senders, who do not wait for each
  // other.
  EXPECT_NEAR(total_s(false), 1e-5 + 8e-5 + 2e-5, 1e-9);
  EXPECT_NEAR(total_s(true), 2e-5 + 8e-5, 1e-9);
}

TEST(Simulate, GapThenRanksOfAHostTakeTurns) {
  const LocalityTree tree = LocalityTree::from_hosts({{0, 1, 2}, {3, 4, 5}}, 1e12);
  cost::CostModel model = wires_only(tree);
  tier(model, Tier::kRack) = {.alpha_s = 1e-4, .gap_s = 1e-5};
  Sizes sizes(6, 1);
  const Timeline timeline = simulate({.algorithm = "",
                                      .num_ranks = 6,
                                      .window = 0,
                                      .messages = {block_message(0, 3), block_message(1, 4), block_message(2, 5)}},
                                     sizes.view(), tree, model);
  EXPECT_NEAR(timeline.messages[2].wire_start_s - timeline.messages[0].wire_start_s, 2e-5, 1e-12);
  EXPECT_NEAR(timeline.total_s, 1e-4 + 2e-5, 1e-10);
}

/// Host {0, 1} and host {2}: rank 0 hands rank 1 its block for 2, which sends both blocks.
Schedule relay(Path path) {
  Schedule schedule{.algorithm = "relay", .num_ranks = 3, .window = 0, .messages = {}};
  schedule.messages.push_back({.step = 0, .from = 0, .to = 1, .path = path, .blocks = {{0, 2}}});
  schedule.messages.push_back({.step = 1, .from = 1, .to = 2, .blocks = {{0, 2}, {1, 2}}});
  return schedule;
}

TEST(Simulate, ForwardedBlockThenItsSendWaitsForIt) {
  const LocalityTree tree = LocalityTree::from_hosts({{0, 1}, {2}}, 1e6);
  cost::CostModel model = wires_only(tree);
  tier(model, Tier::kDomain) = {.alpha_s = 1e-6, .overhead_s = 1e-7, .flow_bytes_per_s = 1e7};
  model.copy_bytes_per_s = 5e6;
  model.host_copy_bytes_per_s = 1e9;
  Sizes sizes(3, 1000);
  sizes.at(0, 0) = sizes.at(1, 1) = sizes.at(2, 2) = 0;
  const Timeline timeline = simulate(relay(Path::kMapped), sizes.view(), tree, model);
  // Written at 1e7 bytes/s; packed, both blocks; they land in place, since 0 and 1 follow each other.
  EXPECT_DOUBLE_EQ(timeline.messages[0].done_s, 1e-6 + 1e-4);
  EXPECT_DOUBLE_EQ(timeline.messages[1].wire_start_s, timeline.messages[0].done_s + 2000 / 5e6);
  EXPECT_DOUBLE_EQ(timeline.total_s, timeline.messages[1].wire_start_s + 2000 / 1e6);
}

TEST(Simulate, ManyCopiesThenTheHostsMemoryIsTheLimit) {
  const LocalityTree tree = LocalityTree::from_hosts({{0, 1, 2, 3}}, 1e6);
  cost::CostModel model = wires_only(tree);
  model.copy_bytes_per_s = 1e6;
  model.host_copy_bytes_per_s = 2e6;
  Sizes sizes(4, 1000);
  const Timeline timeline =
      simulate({.algorithm = "", .num_ranks = 4, .window = 0, .messages = {}}, sizes.view(), tree, model);
  EXPECT_DOUBLE_EQ(timeline.total_s, 4 * 1000 / 2e6);
}

TEST(Simulate, UplinkThenHostsOfARackShareIt) {
  const LocalityTree tree = tree_of("4:1 nic=8gbit racks=2 uplink=8gbit");
  Sizes sizes(4, 1000);
  const Timeline timeline =
      simulate({.algorithm = "", .num_ranks = 4, .window = 0, .messages = {block_message(0, 2), block_message(1, 3)}},
               sizes.view(), tree, wires_only(tree));
  EXPECT_DOUBLE_EQ(timeline.total_s, 2 * 1000 / 1e9);
}

TEST(Simulate, StepsThenTheirMessagesAreSummed) {
  const LocalityTree tree = LocalityTree::from_hosts({{0, 1}, {2}}, 1e6);
  Sizes sizes(3, 1000);
  const Timeline timeline = simulate(relay(Path::kMessage), sizes.view(), tree, wires_only(tree));
  ASSERT_EQ(timeline.steps.size(), 2);
  EXPECT_EQ(timeline.steps[0].bytes, 1000);
  EXPECT_EQ(timeline.steps[1], (StepTiming{1, 1, 2000, timeline.messages[1].issue_s, timeline.total_s}));
}

std::string refusal(const Schedule& schedule, const LocalityTree& tree) {
  const Sizes sizes(schedule.num_ranks, 10);
  try {
    static_cast<void>(simulate(schedule, sizes.view(), tree, wires_only(tree)));
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), BANYAN_ERR_INVALID_ARGUMENT);
    return error.what();
  }
  return "";
}

TEST(SimulateRefuses, MappedMessageBetweenHosts) {
  const LocalityTree tree = LocalityTree::from_hosts({{0}, {1}}, 1e6);
  EXPECT_NE(
      refusal({.algorithm = "", .num_ranks = 2, .window = 0, .messages = {block_message(0, 1, Path::kMapped)}}, tree)
          .find("share no memory"),
      std::string::npos);
}

TEST(SimulateRefuses, BlocksThatNeverCome) {
  const LocalityTree tree = LocalityTree::from_hosts({{0}, {1}, {2}}, 1e6);
  Schedule schedule = relay(Path::kMessage);
  schedule.messages.erase(schedule.messages.begin());
  EXPECT_NE(refusal(schedule, tree).find("never come"), std::string::npos);
}

TEST(SimulateRefuses, AnotherNumberOfRanks) {
  const LocalityTree tree = LocalityTree::from_hosts({{0}, {1}}, 1e6);
  EXPECT_NE(refusal(schedule::testing::direct(3), tree).find("3 ranks on a topology of 2"), std::string::npos);
}

TEST(SimulateRefuses, RankOutOfRange) {
  const LocalityTree tree = LocalityTree::from_hosts({{0}, {1}}, 1e6);
  Schedule schedule = schedule::testing::direct(2);
  schedule.messages[0].to = 2;
  EXPECT_NE(refusal(schedule, tree).find("out of range"), std::string::npos);
}

}  // namespace
}  // namespace banyan::simulator
