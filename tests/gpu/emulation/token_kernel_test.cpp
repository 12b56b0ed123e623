// SPDX-License-Identifier: Apache-2.0
// The kernels of token exchanges, of both layouts, on a CPU: schedules drawn by lot, late ranks, few blocks and many,
// against a plain reference, bit for bit. What they do on a GPU is gpu_tokens_exam's and gpu_experts_exam's matter.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "emulation/token_jobs.hpp"

namespace banyan::gpu_test {
namespace {

template <typename Job>
class TokenKernel : public testing::Test {
 protected:
  /// Rounds in a row; each rank is late once.
  static void expect_right(const Shape& shape, const std::vector<int>& blocks, unsigned seed, int rounds = 5) {
    SCOPED_TRACE(shape.name + ", seed " + std::to_string(seed));
    Job job(shape, blocks, seed);
    for (int i = 0; i < rounds; ++i) {
      if (i > 0) {
        job.delay(i % static_cast<int>(blocks.size()), 150 * static_cast<uint64_t>(i));
      }
      job.add_round(static_cast<int>(seed) * rounds + i);
    }
    EXPECT_EQ(job.run(), "");
    for (size_t rank = 0; rank < blocks.size(); ++rank) {
      EXPECT_EQ(job.words(static_cast<int>(rank)).valid, 0U);
    }
  }
};

using Layouts = testing::Types<RankJob, ExpertJob>;
TYPED_TEST_SUITE(TokenKernel, Layouts);

TYPED_TEST(TokenKernel, FewBlocksThenRowsAndSumsAreThoseOfTheReference) {
  this->expect_right({"one of 4", 16, 1, 4, 30, BANYAN_DTYPE_BF16, 0}, {1, 1}, 0);
  this->expect_right({"3 of 7", 48, 3, 7, 40, BANYAN_DTYPE_FP32, 0, Pattern::kMost, 4}, {2, 3, 1}, 1);
}

TYPED_TEST(TokenKernel, ManyBlocksThenRowsAndSumsAreThoseOfTheReference) {
  this->expect_right({"8 of 33", 32, 8, 33, 90, BANYAN_DTYPE_FP16, 0, Pattern::kMost, 16}, {9, 12}, 2, 3);
  this->expect_right({"2 of 2", 64, 2, 2, 120, BANYAN_DTYPE_BF16, 0}, {8, 2}, 3, 3);
}

TYPED_TEST(TokenKernel, MoreBatchesThanListsThenRowsAndSumsAreThoseOfTheReference) {
  this->expect_right({"2 of 5", 16, 2, 5, 400, BANYAN_DTYPE_BF16, 0, Pattern::kMost, 128}, {1, 2}, 4);
}

TYPED_TEST(TokenKernel, RowsOfSeveralChunksThenRowsAndSumsAreThoseOfTheReference) {
  this->expect_right({"large rows", 40016, 4, 6, 8, BANYAN_DTYPE_BF16, 0}, {2, 2}, 5, 3);
}

TYPED_TEST(TokenKernel, OneRankThenRowsAndSumsAreThoseOfTheReference) {
  this->expect_right({"alone", 32, 4, 9, 70, BANYAN_DTYPE_BF16, 0, Pattern::kMost, 8}, {8}, 6);
}

TYPED_TEST(TokenKernel, FewTokensHaveChoicesThenOthersAreZeros) {
  for (const Pattern pattern : {Pattern::kFirstOnly, Pattern::kFew, Pattern::kLateOnes, Pattern::kNone}) {
    this->expect_right(
        {"pattern " + std::to_string(static_cast<int>(pattern)), 32, 3, 6, 90, BANYAN_DTYPE_BF16, 0, pattern, 2},
        {1, 2}, 7, 2);
  }
}

/// Nothing but the end of each call tells ranks of each other: who is fast must not write what is still read.
TYPED_TEST(TokenKernel, NoTokenHasChoicesThenNoRankRunsAhead) {
  for (unsigned seed = 0; seed < 4; ++seed) {
    this->expect_right({"no choices", 16, 1, 40, 4, BANYAN_DTYPE_BF16, 0, Pattern::kNone}, {1, 2}, seed, 10);
  }
}

/// The peer does not come to the first call, or to the one after a round.
template <typename Job>
void expect_timeout(bool dispatches) {
  Job job({"missing", 32, 2, 4, 20, BANYAN_DTYPE_BF16, 0}, {2, 2}, 8);
  job.timeout = 3000;
  if (dispatches) {
    job.add_round(2);
  }
  job.add_round(3, 1);
  static_cast<void>(job.run());
  EXPECT_EQ(job.words(0).valid, 1U);
  EXPECT_EQ(job.words(0).status, BANYAN_ERR_TIMEOUT);
  EXPECT_EQ(job.words(0).peer, 1);
  EXPECT_EQ(job.words(0).call, dispatches ? 2U : 1U);
}

TYPED_TEST(TokenKernel, PeerIsMissingThenTheReportNamesItAndTheCall) {
  expect_timeout<TypeParam>(false);
  expect_timeout<TypeParam>(true);
}

TYPED_TEST(TokenKernel, HostAbortsThenTheWaitEnds) {
  TypeParam job({"aborted", 32, 2, 4, 20, BANYAN_DTYPE_BF16, 0}, {2, 2}, 8);
  job.add_round(3, 1);
  job.abort(0, 1, 700);
  static_cast<void>(job.run());
  EXPECT_EQ(job.words(0).valid, 1U);
  EXPECT_EQ(job.words(0).status, BANYAN_ERR_ABORTED);
  EXPECT_EQ(job.words(0).peer, 1);
}

/// Room for most rows, a few, or one: what is left out is the same each time, and combine does without it.
TEST(ExpertKernel, MoreRowsThanRoomThenTheLastAreLeftOut) {
  for (const int max_rows : {100, 17, 1}) {
    Shape shape{"room for " + std::to_string(max_rows), 32, 4, 6, 40, BANYAN_DTYPE_BF16, 0, Pattern::kMost, 8};
    shape.max_rows = max_rows;
    for (const auto& blocks : {std::vector<int>{2, 1}, std::vector<int>{8, 9}}) {
      SCOPED_TRACE(shape.name);
      ExpertJob job(shape, blocks, 9);
      for (int round = 0; round < 3; ++round) {
        job.add_round(round);
      }
      EXPECT_EQ(job.run(), "");
    }
  }
}

}  // namespace
}  // namespace banyan::gpu_test
