// SPDX-License-Identifier: Apache-2.0
#include "schedule/text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <fstream>
#include <iterator>
#include <limits>
#include <random>

#include "schedules.hpp"

namespace banyan::schedule {
namespace {

using ::testing::HasSubstr;

const std::string kHeader = "banyan-schedule 1\nalgorithm \"a\"\nranks 8\nwindow 0\nmessages 1\n";

std::string sample() {
  std::ifstream file(std::string(BANYAN_TEST_DATA) + "/schedules/two_level_2x2.txt");
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<Block> parsed_blocks(const std::string& list) {
  const auto schedule = parse(kHeader + "step 0: 0 -> 1 message [" + list + "]");
  EXPECT_TRUE(schedule.ok()) << schedule.describe(list);
  return schedule.ok() ? schedule.value(list).messages[0].blocks : std::vector<Block>{};
}

/// Any schedule with ranks in range, valid or not.
Schedule random_schedule() {
  Schedule schedule;
  schedule.algorithm = *rc::gen::arbitrary<std::string>();
  schedule.num_ranks = *rc::gen::inRange(1, 12);
  schedule.window = *rc::gen::inRange(0, std::numeric_limits<int>::max());
  const auto rank = rc::gen::inRange(0, schedule.num_ranks);
  const int num_messages = *rc::gen::inRange(0, 12);
  for (int k = 0; k < num_messages; ++k) {
    Message message{.step = *rc::gen::inRange(0, 5), .from = *rank, .to = *rank, .blocks = {}};
    message.path = *rc::gen::element(Path::kMessage, Path::kMapped);
    message.self_describing = *rc::gen::arbitrary<bool>();
    for (const auto& [src, dst] : *rc::gen::container<std::vector<std::pair<int, int>>>(rc::gen::pair(rank, rank))) {
      message.blocks.push_back({src, dst});
    }
    schedule.messages.push_back(message);
  }
  return schedule;
}

TEST(Text, AnyScheduleThenParsesBackEqual) {
  EXPECT_TRUE(rc::check([] {
    const Schedule schedule = random_schedule();
    const auto parsed = parse(print(schedule));
    RC_ASSERT(parsed.ok());
    RC_ASSERT(parsed.value("printed") == schedule);
  }));
}

TEST(Text, StructuredSchedulesThenParseBackEqual) {
  for (const Schedule& schedule : {testing::direct(16), testing::ring(9),
                                   testing::two_level({{0, 1, 2, 3, 4, 5, 6}, {7, 8, 9, 10, 11, 12, 13, 14}}),
                                   testing::two_level({{0, 2, 4, 6}, {1, 3, 5, 7}}), testing::random_paths(9, 4, 7)}) {
    const auto parsed = parse(print(schedule));
    ASSERT_TRUE(parsed.ok()) << parsed.describe(schedule.algorithm);
    EXPECT_EQ(parsed.value("printed"), schedule);
  }
}

TEST(Text, SampleFileThenIsWhatThePrinterWrites) {
  Schedule schedule = testing::two_level({{0, 1}, {2, 3}});
  schedule.algorithm = "two_level(2x2)";
  EXPECT_EQ(print(schedule), sample());
}

TEST(Print, ProductsOfRanksThenAreCompressed) {
  const auto list = [](std::vector<Block> blocks) {
    const std::string text = print(Message{.step = 1, .from = 3, .to = 7, .blocks = std::move(blocks)});
    EXPECT_THAT(text, ::testing::StartsWith("step 1: 3 -> 7 message ["));
    return text.substr(text.find('['));
  };
  EXPECT_EQ(list({}), "[]");
  EXPECT_EQ(list({{3, 7}}), "[3>7]");
  EXPECT_EQ(list({{0, 7}, {1, 7}, {2, 7}, {3, 7}}), "[0..3>7]");
  EXPECT_EQ(list({{3, 4}, {3, 6}, {3, 8}}), "[3>4..8/2]");
  EXPECT_EQ(list({{0, 4}, {0, 5}, {1, 4}, {1, 5}}), "[0,1>4,5]");
  EXPECT_EQ(list({{0, 4}, {1, 4}, {0, 5}, {1, 5}}), "[4,5<0,1]");
  EXPECT_EQ(list({{3, 7}, {2, 6}, {1, 5}}), "[3>7 2>6 1>5]");
  EXPECT_EQ(list({{3, 5}, {3, 6}, {3, 7}, {3, 0}, {3, 1}, {3, 2}}), "[3>5..7,0..2]");
}

TEST(Parse, BlockListsThenExpandInOrder) {
  EXPECT_EQ(parsed_blocks("0..2>7"), (std::vector<Block>{{0, 7}, {1, 7}, {2, 7}}));
  EXPECT_EQ(parsed_blocks("0,1>4,5"), (std::vector<Block>{{0, 4}, {0, 5}, {1, 4}, {1, 5}}));
  EXPECT_EQ(parsed_blocks("4,5<0,1"), (std::vector<Block>{{0, 4}, {1, 4}, {0, 5}, {1, 5}}));
  EXPECT_EQ(parsed_blocks("1..7/3>0"), (std::vector<Block>{{1, 0}, {4, 0}, {7, 0}}));
  EXPECT_EQ(parsed_blocks(" 1>2\t3>4 "), (std::vector<Block>{{1, 2}, {3, 4}}));
  EXPECT_EQ(parsed_blocks(""), std::vector<Block>{});
}

TEST(Parse, CommentsBlanksAndCarriageReturnsThenAreSkipped) {
  const auto schedule = parse(
      "# first\n\n  banyan-schedule\t1 # one\r\nalgorithm \"x # y\"\nranks 3\nwindow 2\n# here\nmessages 1\n"
      "step 4 : 0->2 mapped sized[0>2]#last");
  ASSERT_TRUE(schedule.ok()) << schedule.describe("text");
  EXPECT_EQ(
      schedule.value("text"),
      (Schedule{
          .algorithm = "x # y",
          .num_ranks = 3,
          .window = 2,
          .messages = {
              {.step = 4, .from = 0, .to = 2, .path = Path::kMapped, .self_describing = true, .blocks = {{0, 2}}}}}));
}

struct Bad {
  std::string text;
  int line;
  int column;
  std::string message;
};

void expect_rejected(const Bad& bad) {
  const auto schedule = parse(bad.text);
  ASSERT_FALSE(schedule.ok()) << bad.text;
  EXPECT_EQ(schedule.error().line, bad.line) << bad.text << schedule.error().message;
  EXPECT_EQ(schedule.error().column, bad.column) << bad.text << schedule.error().message;
  EXPECT_THAT(schedule.error().message, HasSubstr(bad.message));
}

TEST(Parse, BadHeaderThenSaysWhere) {
  const std::string magic = "banyan-schedule 1\n";
  for (const Bad& bad : std::vector<Bad>{
           {"", 1, 1, "expected 'banyan-schedule', found the end of the text"},
           {"banyan-plan 1", 1, 1, "expected 'banyan-schedule'"},
           {"banyan-schedule 2", 1, 17, "at most 1"},
           {"banyan-schedule 0", 1, 17, "version must be 1"},
           {magic + "algorithm a", 2, 11, "expected '\"'"},
           {magic + "algorithm \"a", 2, 13, "found the end of the text"},
           {magic + "algorithm \"a\nranks", 2, 13, "found the end of the line"},
           {magic + "algorithm \"\\q\"", 2, 12, "expected \\\""},
           {magic + "algorithm \"\\x4G\"", 2, 12, "two digits"},
           {magic + "algorithm \"a\" b", 2, 15, "expected the end of the line, found 'b'"},
           {magic + "algorithm \"a\"\nranks -1", 3, 7, "expected number of ranks, found '-'"},
           {magic + "algorithm \"a\"\nranks 65537", 3, 7, "at most 65536"},
           {magic + "algorithm \"a\"\nranks 99999999999999999999999", 3, 7, "at most 65536"},
           {magic + "algorithm \"a\"\nranks 2\nwindow 4294967296", 4, 8, "at most 2147483647"},
           {magic + "algorithm \"" + std::string(kMaxTextAlgorithm + 1, 'a') + "\"", 2, 12 + 4096, "longer than 4096"},
           {magic + "algorithm \"a\"\nranks 2\nwindow 0\nmessages 18446744073709551615", 5, 10, "at most"},
       }) {
    expect_rejected(bad);
  }
}

TEST(Parse, BadMessageThenSaysWhere) {
  for (const Bad& bad : std::vector<Bad>{
           {"", 6, 1, "ends after 0 of the 1 messages"},
           {"step 0: 0 -> 8 message [0>1]", 6, 14, "rank 8 of 8"},
           {"step 0: 0 -> -1 message [0>1]", 6, 14, "expected rank, found '-'"},
           {"step x: 0 -> 1 message [0>1]", 6, 6, "expected step"},
           {"step 0  0 -> 1 message [0>1]", 6, 9, "expected ':'"},
           {"step 0: 0 to 1 message [0>1]", 6, 11, "expected '->'"},
           {"step 0: 0 -> 1 telepathy [0>1]", 6, 16, "expected 'message' or 'mapped'"},
           {"step 0: 0 -> 1 message big [0>1]", 6, 24, "expected 'sized'"},
           {"step 0: 0 -> 1 message [0>1", 6, 28, "expected a blank or ']'"},
           {"step 0: 0 -> 1 message [0-1]", 6, 26, "expected '>' or '<'"},
           {"step 0: 0 -> 1 message [0>1,]", 6, 29, "expected rank"},
           {"step 0: 0 -> 1 message [3..3>1]", 6, 25, "a range a..b/s needs a < b"},
           {"step 0: 0 -> 1 message [4..1>1]", 6, 25, "a range"},
           {"step 0: 0 -> 1 message [0..4/0>1]", 6, 25, "a range"},
           {"step 0: 0 -> 1 message [0..4/3>1]", 6, 25, "a range"},
           {"step 0: 0 -> 1 message [0..4/99999999999>1]", 6, 30, "stride must be at most"},
           {"step 0: 0 -> 1 message [0>9]", 6, 27, "rank 9 of 8"},
           {"step 0: 0 -> 1 message [0>1] more", 6, 30, "expected the end of the line"},
           {"step 0: 0 -> 1 message [0>1]\nstep 0: 0 -> 1 message [0>1]", 7, 1, "more messages than the 1 announced"},
       }) {
    expect_rejected({kHeader + bad.text, bad.line, bad.column, bad.message});
  }
}

TEST(Parse, NulByteThenRejected) {
  expect_rejected({kHeader + "step 0: 0 -> 1 message [0>1" + std::string(1, '\0') + "]", 6, 28, "a control byte"});
}

TEST(Parse, TruncatedAtAnyByteThenRejected) {
  const std::string text = sample();
  ASSERT_GT(text.size(), 100u);
  for (size_t size = 0; size + 1 < text.size(); ++size) {
    EXPECT_FALSE(parse(std::string_view(text).substr(0, size)).ok()) << size;
  }
}

TEST(Parse, AnyByteChangedThenRejectedOrRoundTrips) {
  const std::string text = sample();
  for (size_t at = 0; at < text.size(); ++at) {
    for (const char c : {'\0', '\n', '0', '9', ' ', '>', '.', ',', '/', '"', '\\', '#', '\xff', ']'}) {
      std::string changed = text;
      changed[at] = c;
      if (const auto schedule = parse(changed); schedule.ok()) {
        EXPECT_EQ(parse(print(schedule.value("changed"))).value("printed"), schedule.value("changed")) << at;
      }
    }
  }
}

TEST(Parse, SmallTextOfHugeProductsThenStopsAtTheLimit) {
  std::string text = "banyan-schedule 1\nalgorithm \"a\"\nranks 65536\nwindow 0\nmessages 1\nstep 0: 0 -> 1 message [";
  expect_rejected({text + "0..65535>0..65535]", 6, 25, "more than 67108864 blocks"});
  expect_rejected({text + "0..65535,0>1]", 6, 34, "more than 65536 ranks in one set"});
}

}  // namespace
}  // namespace banyan::schedule
