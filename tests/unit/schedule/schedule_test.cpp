// SPDX-License-Identifier: Apache-2.0
#include "schedule/schedule.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/error.hpp"
#include "schedules.hpp"

namespace banyan::schedule {
namespace {

using ::testing::HasSubstr;

std::vector<RankSchedule> parts_of(const Schedule& schedule) {
  std::vector<RankSchedule> parts;
  for (int rank = 0; rank < schedule.num_ranks; ++rank) {
    parts.push_back(part_of(schedule, rank));
  }
  return parts;
}

/// The text of the error that joining these parts must throw.
std::string join_error(const std::vector<RankSchedule>& parts) {
  try {
    (void)join(parts, "test", 0);
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), BANYAN_ERR_INTERNAL);
    return error.what();
  }
  ADD_FAILURE() << "join accepted parts that do not fit";
  return {};
}

TEST(PartOf, TwoLevelThenSendsAndReceivesAreOrderedByStep) {
  const Schedule schedule = testing::two_level({{0, 1}, {2, 3}});
  const RankSchedule part = part_of(schedule, 2);
  EXPECT_EQ(part.rank, 2);
  ASSERT_EQ(part.sends.size(), 2u);
  EXPECT_EQ(part.sends[0],
            (Message{.step = 0, .from = 2, .to = 0, .self_describing = true, .blocks = {{2, 0}, {2, 1}}}));
  EXPECT_EQ(part.sends[1].step, 1);
  ASSERT_EQ(part.receives.size(), 2u);
  EXPECT_EQ(part.receives[0].from, 0);
  EXPECT_EQ(part.receives[1].step, 1);
}

TEST(PartOf, RankWithoutMessagesThenEmpty) {
  const RankSchedule part = part_of(Schedule{.algorithm = "", .num_ranks = 3, .window = 0, .messages = {}}, 1);
  EXPECT_EQ(part, (RankSchedule{.rank = 1, .sends = {}, .receives = {}}));
}

TEST(Join, PartsOfASchedule_ThenTheSchedule) {
  for (const Schedule& schedule : {testing::direct(5), testing::ring(6), testing::two_level({{0, 3, 4}, {1}, {2, 5}}),
                                   testing::random_paths(7, 3, 1)}) {
    EXPECT_EQ(join(parts_of(schedule), schedule.algorithm, schedule.window), schedule) << schedule.algorithm;
  }
}

TEST(Join, NoPartsThenAnEmptySchedule) { EXPECT_EQ(join({}, "none", 0).num_ranks, 0); }

TEST(Join, ReceiveIsMissingThenNamesTheSend) {
  auto parts = parts_of(testing::direct(4));
  std::erase_if(parts[3].receives, [](const Message& m) { return m.from == 1; });
  EXPECT_THAT(join_error(parts), HasSubstr("rank 1 sends \"step 0: 1 -> 3 message [1>3]\", for which rank 3 has no "));
}

TEST(Join, LastReceiveIsMissingThenNamesTheSend) {
  auto parts = parts_of(testing::direct(4));
  parts[1].receives.pop_back();
  EXPECT_THAT(join_error(parts), HasSubstr("rank 3 sends \"step 0: 3 -> 1 message [3>1]\", for which rank 1 has no "));
}

TEST(Join, SendIsMissingThenNamesTheReceive) {
  auto parts = parts_of(testing::direct(4));
  std::erase_if(parts[0].sends, [](const Message& m) { return m.to == 2; });
  EXPECT_THAT(join_error(parts),
              HasSubstr("rank 2 receives \"step 0: 0 -> 2 message [0>2]\", for which rank 0 has no"));
}

TEST(Join, BlocksDifferThenNamesTheSend) {
  auto parts = parts_of(testing::two_level({{0, 1}, {2, 3}}));
  parts[2].receives[0].blocks.pop_back();
  EXPECT_THAT(join_error(parts), HasSubstr("rank 0 sends \"step 0: 0 -> 2 message sized [0>2,3]\""));
}

TEST(Join, EveryFieldMustAgree) {
  const std::vector<std::function<void(Message&)>> changes = {
      [](Message& m) { m.step += 1; }, [](Message& m) { m.path = Path::kMapped; },
      [](Message& m) { m.self_describing = !m.self_describing; },
      [](Message& m) { std::swap(m.blocks[0], m.blocks[1]); }};
  for (size_t k = 0; k < changes.size(); ++k) {
    auto parts = parts_of(testing::two_level({{0, 1}, {2, 3}}));
    changes[k](parts[2].receives[0]);
    EXPECT_THAT(join_error(parts), HasSubstr("rank 0 sends \"step 0: 0 -> 2")) << k;
  }
}

TEST(Join, MessagesOfAPairInOtherOrderThenSaysSo) {
  Schedule schedule{.algorithm = "", .num_ranks = 3, .window = 0, .messages = {}};
  schedule.messages = {{.from = 0, .to = 1, .blocks = {{0, 1}}}, {.from = 0, .to = 1, .blocks = {{0, 2}}}};
  auto parts = parts_of(schedule);
  std::swap(parts[1].receives[0], parts[1].receives[1]);
  EXPECT_THAT(join_error(parts), HasSubstr("must be received in the order in which they are sent"));
}

TEST(Join, PartOfAnotherRankThenFails) {
  auto parts = parts_of(testing::direct(3));
  std::swap(parts[0], parts[1]);
  EXPECT_THAT(join_error(parts), HasSubstr("part 0 is of rank 1"));
}

TEST(Join, ForeignOrUnknownRanksThenFails) {
  auto parts = parts_of(testing::direct(3));
  parts[0].sends[0].from = 2;
  EXPECT_THAT(join_error(parts), HasSubstr("rank 0 lists as its own the send"));
  parts = parts_of(testing::direct(3));
  parts[0].sends[0].to = 3;
  EXPECT_THAT(join_error(parts), HasSubstr("rank 0 sends to a rank outside 0..2"));
  parts = parts_of(testing::direct(3));
  parts[0].receives[0].to = 1;
  EXPECT_THAT(join_error(parts), HasSubstr("rank 0 lists as its own the receive"));
  parts = parts_of(testing::direct(3));
  parts[0].receives[0].from = -1;
  EXPECT_THAT(join_error(parts), HasSubstr("rank 0 receives from a rank outside 0..2"));
}

TEST(Join, SendsOutOfOrderOfStepThenFails) {
  auto parts = parts_of(testing::two_level({{0, 1}, {2, 3}}));
  std::swap(parts[0].sends[0], parts[0].sends[1]);
  EXPECT_THAT(join_error(parts), HasSubstr("rank 0 sends out of order of step"));
}

}  // namespace
}  // namespace banyan::schedule
