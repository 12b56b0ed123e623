// SPDX-License-Identifier: Apache-2.0
// What a host's ranks say of each other, in the numbers of all ranks; and what moves are called.
#include "moe/exchange/rank_names.hpp"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "moe/exchange/purpose.hpp"

namespace banyan::moe {
namespace {

std::string renamed(const std::string& text) {
  const std::vector<int> members = {4, 6, 9};
  return in_numbers_of_world(text, members, 16);
}

TEST(RankNames, AreThoseOfTheWorld) {
  EXPECT_EQ(renamed("rank 1 of 3 failed (seen by rank 0)"), "rank 6 of 16 failed (seen by rank 4)");
  EXPECT_EQ(renamed("rank 0 waited for ranks 1 and 2"), "rank 4 waited for ranks 6 and 9");
  EXPECT_EQ(renamed("from rank 2: peer 0 is gone"), "from rank 9: peer 4 is gone");
  EXPECT_EQ(renamed("ranks 0, 1 and 2; rank 2"), "ranks 4, 6 and 9; rank 9");
  EXPECT_EQ(renamed("rank 2 sends 2 bytes to rank 1, 2 more"), "rank 9 sends 2 bytes to rank 6, 2 more");
}

TEST(RankNames, OtherNumbersStay) {
  EXPECT_EQ(renamed("operation 1 of 3, 2 bytes per rank"), "operation 1 of 3, 2 bytes per rank");
  EXPECT_EQ(renamed("rank 1 of 8"), "rank 6 of 8");
  EXPECT_EQ(renamed("rank 7"), "rank 7");
  EXPECT_EQ(renamed("Frank 1, rank"), "Frank 1, rank");
  EXPECT_EQ(renamed("rank 99999999999999999999"), "rank 99999999999999999999");
  EXPECT_EQ(renamed(""), "");
}

TEST(Purpose, EachHasItsWordAndItsText) {
  std::set<uint64_t> words;
  std::set<std::string> texts;
  for (const auto call : {Purpose::Call::kDispatch, Purpose::Call::kCombine, Purpose::Call::kDispatchBackward,
                          Purpose::Call::kCombineBackward, Purpose::Call::kCombineBackwardOfWeights}) {
    for (const uint64_t group : {1, 2}) {
      for (const uint64_t routing : {1, 2, 65536}) {
        for (const size_t chunk : {0, 63}) {
          for (const size_t part : {0, 15}) {
            const Purpose purpose{.call = call, .group = group, .routing = routing, .chunk = chunk, .part = part};
            words.insert(purpose.word());
            EXPECT_NE(Purpose::print_of(purpose.word()), 0U);
            texts.insert(describe_purpose(purpose.word()));
          }
        }
      }
    }
  }
  EXPECT_EQ(words.size(), 5U * 2 * 3 * 2 * 2);
  EXPECT_EQ(texts.size(), words.size());
  EXPECT_EQ(words.count(0), 0U);
  EXPECT_EQ(Purpose::print_of(0), 0U);
  EXPECT_EQ(describe_purpose(Purpose{.call = Purpose::Call::kTurn, .group = 3}.word()),
            "banyan_moe_turn_start in group 3");
}

TEST(Purpose, RoutingsThatDifferInTheirLastThreeBitsThenTagsTellAllMovesApart) {
  for (const uint64_t first : {1, 59, 4096}) {
    std::set<uint32_t> folded;
    size_t moves = 0;
    for (uint64_t routing = first / 8 * 8; routing < first / 8 * 8 + 8; ++routing) {
      for (int call = 1; call <= 6; ++call) {
        for (size_t chunk = 0; chunk < 64; ++chunk) {
          for (size_t part = 0; part < 16; ++part, ++moves) {
            const Purpose purpose{
                .call = static_cast<Purpose::Call>(call), .group = 1, .routing = routing, .chunk = chunk, .part = part};
            const uint32_t print = Purpose::print_of(purpose.word());
            folded.insert((print ^ (print >> 16)) & 0xFFFF);  // as HostExecutor::tag
          }
        }
      }
    }
    EXPECT_EQ(folded.size(), moves);
  }
}

}  // namespace
}  // namespace banyan::moe
