// SPDX-License-Identifier: Apache-2.0
#include "common/traffic.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "common/pattern.hpp"

namespace banyan::perf {
namespace {

/// 3 ranks; rank 1 receives nothing from rank 0, rank 2 sends nothing to itself.
Traffic example() { return matrix_traffic(3, {4, 0, 8, 12, 16, 20, 24, 28, 0}, 4); }

/// What the exchange under test must do, done by copying.
void copy_blocks(std::vector<ExchangeBuffers>& ranks, size_t element_size) {
  for (size_t from = 0; from < ranks.size(); ++from) {
    for (size_t to = 0; to < ranks.size(); ++to) {
      const auto& send = ranks[from].layout();
      const auto& recv = ranks[to].layout();
      std::memcpy(ranks[to].recv() + recv.rdispls[from] * element_size,
                  ranks[from].send() + send.sdispls[to] * element_size, send.sendcounts[to] * element_size);
    }
  }
}

std::vector<ExchangeBuffers> buffers_of(const Traffic& traffic) {
  std::vector<ExchangeBuffers> ranks;
  for (int rank = 0; rank < traffic.num_ranks; ++rank) {
    ranks.emplace_back(traffic, rank);
  }
  return ranks;
}

TEST(MatrixTraffic, RoundsUpToWholeElements) {
  EXPECT_EQ(matrix_traffic(2, {0, 1, 8, 9}, 8).bytes, (std::vector<uint64_t>{0, 8, 8, 16}));
}

TEST(RankLayout, SendsItsRowAndReceivesItsColumn) {
  const RankLayout layout = rank_layout(example(), 2);
  EXPECT_EQ(layout.sendcounts, (std::vector<size_t>{6, 7, 0}));
  EXPECT_EQ(layout.sdispls, (std::vector<size_t>{0, 6, 13}));
  EXPECT_EQ(layout.recvcounts, (std::vector<size_t>{2, 5, 0}));
  EXPECT_EQ(layout.rdispls, (std::vector<size_t>{0, 2, 7}));
  EXPECT_EQ(layout.send_bytes, 52U);
  EXPECT_EQ(layout.recv_bytes, 28U);
}

TEST(Traffic, BusiestRankIsTheLargestRowOrColumn) {
  EXPECT_EQ(busiest_rank_bytes(example()), 52U);
  EXPECT_EQ(busiest_rank_bytes(matrix_traffic(2, {1, 0, 5, 0}, 1)), 6U);
}

TEST(Traffic, MeanOfNoRanksIsZero) { EXPECT_EQ(mean_bytes_per_pair(Traffic{}), 0U); }

TEST(Pattern, ACorrectExchangeHasNothingWrong) {
  auto ranks = buffers_of(example());
  for (const uint64_t salt : {1U, 2U}) {
    for (auto& rank : ranks) {
      rank.prepare(salt);
    }
    copy_blocks(ranks, 4);
    for (const auto& rank : ranks) {
      EXPECT_EQ(rank.count_wrong(salt), 0U);
    }
  }
}

TEST(Pattern, AnExchangeThatDoesNothingHasEveryByteWrong) {
  auto ranks = buffers_of(example());
  for (const auto& rank : ranks) {
    EXPECT_EQ(rank.count_wrong(0), rank.layout().recv_bytes);
  }
}

TEST(Pattern, DataOfTheExchangeBeforeAreWrong) {
  auto ranks = buffers_of(example());
  copy_blocks(ranks, 4);
  EXPECT_EQ(ranks[2].count_wrong(0), 0U);
  EXPECT_GT(ranks[2].count_wrong(1), 0U);
}

TEST(Pattern, OneFlippedByteCountsOnce) {
  auto ranks = buffers_of(example());
  copy_blocks(ranks, 4);
  ranks[0].recv()[5] ^= std::byte{1};
  EXPECT_EQ(ranks[0].count_wrong(0), 1U);
}

TEST(Pattern, AWriteBehindTheDataIsCounted) {
  auto ranks = buffers_of(example());
  copy_blocks(ranks, 4);
  ranks[0].recv()[ranks[0].layout().recv_bytes] ^= std::byte{1};
  EXPECT_EQ(ranks[0].count_wrong(0), 1U);
}

TEST(Pattern, AClobberedSendBufferIsCounted) {
  auto ranks = buffers_of(example());
  copy_blocks(ranks, 4);
  const_cast<std::byte*>(ranks[1].send())[0] ^= std::byte{1};  // what a faulty library would do
  EXPECT_EQ(ranks[1].count_wrong(0), 1U);
}

TEST(Pattern, SwappedBlocksAreWrong) {
  std::vector<std::byte> block(1000);
  fill_pattern(block, 3, 4, 7);
  EXPECT_EQ(count_differences(block, 3, 4, 7), 0U);
  // Random bytes agree by chance once in 256.
  EXPECT_GT(count_differences(block, 4, 3, 7), 900U);
  EXPECT_GT(count_differences(block, 3, 5, 7), 900U);
}

}  // namespace
}  // namespace banyan::perf
