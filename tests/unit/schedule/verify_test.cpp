// SPDX-License-Identifier: Apache-2.0
#include "schedule/verify.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "schedules.hpp"

namespace banyan::schedule {
namespace {

using ::testing::HasSubstr;

std::string problem_of(const Schedule& schedule) { return verify(schedule, {}).problem; }

Schedule of(int num_ranks, std::vector<Message> messages) {
  return {.algorithm = "test", .num_ranks = num_ranks, .window = 0, .messages = std::move(messages)};
}

/// The only message or the messages of a two-rank exchange, then `extra`.
Schedule pair_and(std::vector<Message> extra) {
  std::vector<Message> messages = {{.from = 0, .to = 1, .blocks = {{0, 1}}}, {.from = 1, .to = 0, .blocks = {{1, 0}}}};
  messages.insert(messages.end(), extra.begin(), extra.end());
  return of(2, messages);
}

TEST(Verify, ValidSchedulesThenOk) {
  for (int n = 1; n <= 9; ++n) {
    EXPECT_EQ(problem_of(testing::direct(n)), "") << n;
    EXPECT_EQ(problem_of(testing::ring(n)), "") << n;
    EXPECT_EQ(problem_of(testing::random_paths(n, 5, static_cast<uint64_t>(n))), "") << n;
  }
  EXPECT_EQ(problem_of(testing::two_level({{0, 1, 2, 3, 4, 5, 6}, {7, 8, 9, 10, 11, 12, 13, 14}})), "");
  EXPECT_EQ(problem_of(testing::two_level({{0, 3, 5}, {1}, {2, 4, 6, 7}})), "");
}

TEST(Verify, LaterStepListedForAnEarlierHopThenStillOk) {
  // The relay's send comes first in its list and must not hold back its own block.
  Schedule schedule = testing::two_level({{0, 1}, {2, 3}});
  for (Message& message : schedule.messages) {
    message.step = 1 - message.step;
  }
  testing::sort_messages(schedule);
  EXPECT_EQ(problem_of(schedule), "");
}

TEST(Verify, NumbersOutOfRangeThenRejected) {
  EXPECT_THAT(problem_of(of(0, {})), HasSubstr("0 ranks"));
  EXPECT_THAT(problem_of(of(-1, {})), HasSubstr("-1 ranks"));
  Schedule schedule = testing::direct(3);
  schedule.window = -1;
  EXPECT_THAT(problem_of(schedule), HasSubstr("window -1"));
}

TEST(Verify, HugeRankCountWithoutMessagesThenRejectedAtOnce) {
  EXPECT_EQ(problem_of(of(std::numeric_limits<int>::max(), {})),
            "block 0->1 never leaves rank 0: no message carries it");
}

TEST(Verify, MessageOutOfFormThenRejected) {
  EXPECT_THAT(problem_of(pair_and({{.step = 1, .from = 0, .to = 2, .blocks = {{0, 1}}}})), HasSubstr("outside 0..1"));
  EXPECT_THAT(problem_of(pair_and({{.step = 1, .from = -1, .to = 1, .blocks = {{0, 1}}}})), HasSubstr("outside 0..1"));
  EXPECT_THAT(problem_of(pair_and({{.step = 1, .from = 1, .to = 1, .blocks = {{0, 1}}}})), HasSubstr("to itself"));
  EXPECT_THAT(problem_of(pair_and({{.step = 1, .from = 1, .to = 0, .blocks = {}}})), HasSubstr("carries no blocks"));
  EXPECT_THAT(problem_of(pair_and({{.step = 1, .from = 0, .to = 1, .blocks = {{0, 2}}}})),
              HasSubstr("block 0->2 in message 2 (step 1, 0 -> 1) has a rank outside 0..1"));
  EXPECT_THAT(problem_of(pair_and({{.step = 1, .from = 0, .to = 1, .blocks = {{0, 0}}}})), HasSubstr("a rank's own"));
  EXPECT_THAT(problem_of(pair_and({{.step = 0, .from = 0, .to = 1, .blocks = {{0, 1}}}})), HasSubstr("out of order"));
  EXPECT_THAT(problem_of(of(2, {{.step = -1, .from = 0, .to = 1, .blocks = {{0, 1}}}})), HasSubstr("negative step"));
}

TEST(Verify, BlockArrivesTwiceThenNamesBothMessages) {
  EXPECT_EQ(problem_of(pair_and({{.step = 1, .from = 0, .to = 1, .blocks = {{0, 1}}}})),
            "block 0->1 reaches rank 1 twice (messages 0 and 2)");
}

TEST(Verify, CopyLeftBehindThenRejected) {
  Schedule schedule = testing::direct(3);
  schedule.messages[0].blocks.push_back({0, 2});  // 0 -> 1 also carries what 0 sends to 2
  EXPECT_EQ(problem_of(schedule), "rank 0 sends block 0->2 twice (messages 0 and 1)");
}

TEST(Verify, BlockStopsAtARelayThenRejected) {
  Schedule schedule = testing::direct(3);
  schedule.messages[1].to = 1;
  EXPECT_EQ(problem_of(schedule),
            "block 0->2 never reaches rank 2: it stays at rank 1 after message 1 (step 0, 0 -> 1)");
}

TEST(Verify, RankSendsWhatItNeverHasThenRejected) {
  Schedule schedule = testing::two_level({{0, 1}, {2, 3}});
  ASSERT_EQ(schedule.messages[0].blocks, (std::vector<Block>{{0, 2}, {0, 3}}));
  schedule.messages[0].blocks.pop_back();
  EXPECT_EQ(problem_of(schedule), "rank 2 never has block 0->3, which it sends in message 6 (step 1, 2 -> 3)");
}

TEST(Verify, BlockReturnsToSourceOrLeavesDestinationThenRejected) {
  EXPECT_THAT(problem_of(pair_and({{.step = 1, .from = 1, .to = 0, .blocks = {{0, 1}}}})),
              HasSubstr("comes back to its source in message 2"));
  Schedule schedule = testing::direct(3);
  schedule.messages.push_back({.step = 1, .from = 1, .to = 2, .blocks = {{0, 1}}});
  EXPECT_THAT(problem_of(schedule), HasSubstr("block 0->1 leaves its destination in message 6"));
}

TEST(Verify, BlockInARingThenDeadlock) {
  Schedule schedule = testing::direct(5);
  for (int at = 1; at <= 3; ++at) {
    schedule.messages.push_back({.step = 1, .from = at, .to = at == 3 ? 1 : at + 1, .blocks = {{0, 4}}});
  }
  EXPECT_EQ(problem_of(schedule),
            "deadlock: block 0->4 goes round 1 -> 2 -> 3 -> 1 and none of these ranks ever has it");
}

TEST(Verify, MessagesWaitForEachOtherThenNamesTheCycle) {
  const Schedule schedule = of(3, {{.from = 0, .to = 1, .blocks = {{0, 1}, {0, 2}, {2, 1}}},
                                   {.from = 1, .to = 2, .blocks = {{1, 2}, {1, 0}, {0, 2}}},
                                   {.from = 2, .to = 0, .blocks = {{2, 0}, {2, 1}, {1, 0}}}});
  EXPECT_THAT(problem_of(schedule), HasSubstr("deadlock: message"));
  EXPECT_THAT(problem_of(schedule), HasSubstr("message 2 (step 0, 2 -> 0) waits for message 1 (step 0, 1 -> 2)"));
}

/// An exchange of three ranks in which 0 -> 1 comes twice: first with what must go round 1 and 2 before it is at 0.
Schedule second_feeds_first(Path path) {
  return of(3, {{.from = 0, .to = 1, .path = path, .blocks = {{2, 1}}},
                {.from = 0, .to = 1, .path = path, .blocks = {{0, 1}, {0, 2}}},
                {.from = 1, .to = 2, .blocks = {{0, 2}, {1, 0}, {1, 2}}},
                {.from = 2, .to = 0, .blocks = {{1, 0}, {2, 0}, {2, 1}}}});
}

TEST(Verify, MappedMessagesOfAPairThenGoInOrder) {
  EXPECT_EQ(problem_of(second_feeds_first(Path::kMessage)), "");
  EXPECT_THAT(problem_of(second_feeds_first(Path::kMapped)),
              HasSubstr("message 1 (step 0, 0 -> 1) waits for message 0 (step 0, 0 -> 1)"));
}

/// Rank 0 hands rank 1 its blocks for `count` other ranks, one a message. Rank 1 forwards the first together with the
/// last, so the first one's slot is held until the last has come.
Schedule first_forwarded_with_last(int count, Path path) {
  const int n = count + 2;
  std::vector<Message> messages;
  for (int from = 0; from < n; ++from) {
    for (int to = 0; to < n; ++to) {
      if (from == 0 && to >= 2) {
        messages.push_back({.from = 0, .to = 1, .path = path, .blocks = {{0, to}}});
      } else if (from != to) {
        messages.push_back({.from = from, .to = to, .blocks = {{from, to}}});
      }
    }
  }
  messages.push_back({.step = 1, .from = 1, .to = 2, .blocks = {{0, 2}, {0, n - 1}}});
  for (int to = 3; to < n - 1; ++to) {
    messages.push_back({.step = 1, .from = 1, .to = to, .blocks = {{0, to}}});
  }
  messages.push_back({.step = 1, .from = 2, .to = n - 1, .blocks = {{0, n - 1}}});
  return of(n, messages);
}

TEST(Verify, MappedSlotsHeldByWhatWaitsForALaterMessageThenDeadlock) {
  constexpr int kSlots = static_cast<int>(kMappedSlots);
  EXPECT_EQ(problem_of(first_forwarded_with_last(kSlots, Path::kMapped)), "");
  EXPECT_EQ(problem_of(first_forwarded_with_last(kSlots + 1, Path::kMessage)), "");
  EXPECT_THAT(problem_of(first_forwarded_with_last(kSlots + 1, Path::kMapped)), HasSubstr("deadlock: message"));
}

TEST(Verify, MoreMessagesOfAPairThanCanBeToldApartThenRejected) {
  constexpr int kMost = static_cast<int>(kMaxMessagesPerPair);
  EXPECT_EQ(problem_of(first_forwarded_with_last(kMost - 1, Path::kMessage)), "");
  EXPECT_THAT(problem_of(first_forwarded_with_last(kMost, Path::kMessage)),
              HasSubstr("is more than 128 messages from rank 0 to rank 1"));
}

TEST(Verify, LongCycleThenTextStaysShort) {
  const int n = 200;  // every rank waits for its neighbour before it sends anything
  std::vector<Message> messages;
  for (int rank = 0; rank < n; ++rank) {
    Message message{.from = rank, .to = (rank + 1) % n, .blocks = {}};
    for (int src = 0; src < n; ++src) {
      for (int dst = 0; dst < n; ++dst) {
        const int passed = (dst - src + n) % n;
        if (passed != 0 && (rank - src + n) % n < passed) {
          message.blocks.push_back({src, dst});
        }
      }
    }
    messages.push_back(message);
  }
  const std::string problem = problem_of(of(n, messages));
  EXPECT_THAT(problem, HasSubstr("(200 messages)"));
  EXPECT_LT(problem.size(), 1000u);
}

TEST(VerifySizes, ZeroBlocksMayBeAbsentOrPresent) {
  Schedule schedule = testing::direct(3);
  std::vector<uint64_t> bytes(9, 8);
  bytes[0 * 3 + 2] = 0;
  EXPECT_TRUE(verify(schedule, {3, bytes}).ok());
  std::erase_if(schedule.messages, [](const Message& m) { return m.from == 0 && m.to == 2; });
  EXPECT_TRUE(verify(schedule, {3, bytes}).ok());
  EXPECT_EQ(problem_of(schedule), "block 0->2 never leaves rank 0: no message carries it");
  bytes[0 * 3 + 2] = 1;
  EXPECT_FALSE(verify(schedule, {3, bytes}).ok());
}

TEST(VerifySizes, WrongShapeThenRejected) {
  const std::vector<uint64_t> bytes(9, 8);
  EXPECT_THAT(verify(testing::direct(4), {3, bytes}).problem, HasSubstr("9 sizes for 3 ranks do not fit"));
  EXPECT_THAT(verify(testing::direct(4), {4, bytes}).problem, HasSubstr("9 sizes for 4 ranks do not fit"));
}

TEST(VerifyScratch, DirectThenNone) {
  const std::vector<uint64_t> bytes(16, 100);
  EXPECT_EQ(verify(testing::direct(4), {4, bytes}).peak_scratch_bytes, 0u);
}

TEST(VerifyScratch, UnevenHostsThenBytesForwardedByTheBusiestRank) {
  // Rank 3, alone on its host, receives for itself only; ranks 0..2 forward what it sends to the two others of them:
  // rank 3 is at place 0, so rank 0 forwards 3->1 and 3->2.
  std::vector<uint64_t> bytes(16, 1);
  bytes[3 * 4 + 1] = 1000;
  bytes[3 * 4 + 2] = 50;
  const Verdict verdict = verify(testing::two_level({{0, 1, 2}, {3}}), {4, bytes});
  EXPECT_EQ(verdict.problem, "");
  EXPECT_EQ(verdict.peak_scratch_bytes, 1050u);
}

TEST(VerifyScratch, SumBeyondTheTypeThenStopsAtItsEnd) {
  const std::vector<uint64_t> bytes(16, std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(verify(testing::two_level({{0, 1, 2}, {3}}), {4, bytes}).peak_scratch_bytes,
            std::numeric_limits<uint64_t>::max());
}

}  // namespace
}  // namespace banyan::schedule
