// SPDX-License-Identifier: Apache-2.0
#include "schedule/staging.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace banyan::schedule {
namespace {

constexpr StagingRule kUniform{.uniform = true, .block_bytes = 100, .block_limit = 0, .ring_capacity = 400};
constexpr StagingRule kSized{.uniform = false, .block_bytes = 0, .block_limit = 100, .ring_capacity = 400};

Message message(std::vector<Block> blocks, Path path = Path::kMessage, bool self_describing = false) {
  return {.step = 0, .from = 0, .to = 1, .path = path, .self_describing = self_describing, .blocks = std::move(blocks)};
}

TEST(Staging, OneBlockFromItsSourceToItsDestinationNeedsNone) {
  const Message direct = message({{0, 1}});
  EXPECT_TRUE(is_direct(direct, kUniform));
  EXPECT_EQ(staged_at_sender(direct, kUniform), 0u);
  EXPECT_EQ(staged_at_receiver(direct, kUniform), 0u);
  EXPECT_FALSE(is_direct(message({{0, 2}}), kUniform));
  EXPECT_FALSE(is_direct(message({{0, 1}}, Path::kMapped), kUniform));
}

TEST(Staging, RunOfTheReceiversBufferIsStagedAtItsSenderOnly) {
  const Message run = message({{2, 1}, {3, 1}});
  EXPECT_EQ(staged_at_sender(run, kUniform), 200u);
  EXPECT_EQ(staged_at_receiver(run, kUniform), 0u);
  EXPECT_EQ(staged_at_receiver(message({{3, 1}, {2, 1}}), kUniform), 200u);
  EXPECT_EQ(staged_at_receiver(message({{2, 1}, {3, 4}}), kUniform), 200u);
}

TEST(Staging, MessageThatFitsItsSlotNeedsNone) {
  const Message four = message({{2, 1}, {3, 1}, {2, 4}, {3, 4}}, Path::kMapped);
  EXPECT_TRUE(uses_slot(four, kUniform));
  EXPECT_EQ(staged_at_sender(four, kUniform), 0u);
  EXPECT_EQ(staged_at_receiver(four, kUniform), 0u);
  const Message five = message({{2, 1}, {3, 1}, {2, 4}, {3, 4}, {4, 1}}, Path::kMapped);
  EXPECT_FALSE(uses_slot(five, kUniform));
  EXPECT_EQ(staged_at_sender(five, kUniform), 500u);
}

TEST(Staging, SizedMessageUsesItsSlotForTheHeaderAndStagesForTheWorstCase) {
  const Message three = message({{2, 1}, {3, 1}, {2, 4}}, Path::kMapped, true);
  EXPECT_EQ(staged_at_sender(three, kSized), 0u);  // 3 * (10 + 100) < 400
  const Message four = message({{2, 1}, {3, 1}, {2, 4}, {3, 4}}, Path::kMapped, true);
  EXPECT_TRUE(uses_slot(four, kSized));
  EXPECT_EQ(staged_at_sender(four, kSized), 440u);
  EXPECT_EQ(staged_at_receiver(four, kSized), 440u);
}

TEST(Staging, SumIsAlignedAndRefusesToOverflow) {
  RankSchedule part;
  part.rank = 1;
  part.receives = {message({{3, 1}, {2, 1}}), message({{2, 1}, {3, 4}})};
  EXPECT_EQ(staging_bytes(part, kUniform), 2u * 256);
  StagingRule huge = kUniform;
  huge.block_bytes = SIZE_MAX / 2 + 1;
  EXPECT_THROW(static_cast<void>(staging_bytes(part, huge)), Error);
  huge.block_bytes = SIZE_MAX / 2;
  EXPECT_THROW(static_cast<void>(staging_bytes(part, huge)), Error);
}

}  // namespace
}  // namespace banyan::schedule
