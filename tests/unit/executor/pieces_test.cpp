// SPDX-License-Identifier: Apache-2.0
// In which pieces, and in which order, blocks travel alone.
#include "executor/pieces.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <numeric>

namespace banyan::executor {
namespace {

using Transfers = std::vector<DirectTransfer>;

Transfers pieces(const std::vector<DirectPair>& pairs, size_t chunk_bytes, bool in_phases, size_t rails = 1) {
  Transfers transfers;
  CompileOptions options;
  options.chunk_bytes = chunk_bytes;
  options.max_pieces = rails;
  options.least_piece_bytes = 8;
  if (!in_phases) {
    ShareOrder order;
    transfers.resize(order.arrange(pairs, options));
    std::for_each(transfers.begin(), transfers.end(), [&](auto& transfer) { order.describe_next(transfer); });
    EXPECT_TRUE(std::is_sorted(transfers.begin(), transfers.end(),
                               [](const auto& a, const auto& b) { return a.order < b.order; }));
    return transfers;
  }
  for (const DirectPair& pair : pairs) {
    append_in_phases(transfers, pair, options);
  }
  std::sort(transfers.begin(), transfers.end(), [](const auto& a, const auto& b) { return a.order < b.order; });
  return transfers;
}

/// Peers in the order of their pieces.
std::vector<int> peers(const Transfers& transfers) {
  std::vector<int> result;
  for (const auto& transfer : transfers) {
    result.push_back(transfer.peer);
  }
  return result;
}

TEST(Pieces, OfPhasesComeOnePairAfterTheOther) {
  const std::vector<DirectPair> pairs = {{.peer = 5, .phase = 1, .bytes = 30}, {.peer = 4, .phase = 0, .bytes = 20}};
  EXPECT_EQ(peers(pieces(pairs, 10, true)), std::vector<int>({4, 4, 5, 5, 5}));
}

TEST(Pieces, OfUnequalPairsAdvanceInProportion) {
  const std::vector<DirectPair> pairs = {{.peer = 4, .phase = 0, .bytes = 20}, {.peer = 5, .phase = 1, .bytes = 60}};
  // Middles of peer 4's: 1/4, 3/4; of peer 5's: 1/12, 3/12, 5/12, ...
  EXPECT_EQ(peers(pieces(pairs, 10, false)), std::vector<int>({5, 4, 5, 5, 5, 4, 5, 5}));
}

TEST(Pieces, OfEqualPairsTakeTurnsByPhase) {
  const std::vector<DirectPair> pairs = {{.peer = 4, .phase = 0, .bytes = 20}, {.peer = 5, .phase = 1, .bytes = 20}};
  EXPECT_EQ(peers(pieces(pairs, 10, false)), std::vector<int>({4, 5, 4, 5}));
}

TEST(Pieces, CoverEachPairOnceAndInOrder) {
  EXPECT_TRUE(rc::check("pieces", [](bool in_phases) {
    std::vector<DirectPair> pairs;
    const int count = *rc::gen::inRange(1, 6);
    for (int peer = 0; peer < count; ++peer) {
      pairs.push_back({.peer = peer, .phase = peer, .place = peer, .bytes = *rc::gen::inRange<size_t>(1, 5000)});
    }
    const Transfers transfers =
        pieces(pairs, *rc::gen::inRange<size_t>(1, 700), in_phases, *rc::gen::inRange<size_t>(1, 4));
    std::vector<size_t> sent(pairs.size());
    size_t total = 0;
    const size_t all = std::accumulate(pairs.begin(), pairs.end(), size_t{0},
                                       [](size_t sum, const DirectPair& pair) { return sum + pair.bytes; });
    for (const auto& transfer : transfers) {
      auto& so_far = sent[static_cast<size_t>(transfer.peer)];
      RC_ASSERT(transfer.offset == so_far);  // of a pair in order, so that equal tags match
      so_far += transfer.bytes;
      total += transfer.bytes;
    }
    RC_ASSERT(total == all);
    for (const auto& pair : pairs) {
      RC_ASSERT(sent[static_cast<size_t>(pair.peer)] == pair.bytes);
    }
  }));
}

/// The order's highest bits are a pair's share before the middle of the piece, in 256 parts.
TEST(Pieces, OfUnequalPairsAreOrderedByTheirMiddles) {
  EXPECT_TRUE(rc::check("middles", [] {
    std::vector<DirectPair> pairs;
    const int num_pairs = *rc::gen::inRange(1, 6);
    for (int peer = 0; peer < num_pairs; ++peer) {
      pairs.push_back({.peer = peer, .phase = 2 * peer, .bytes = *rc::gen::inRange<size_t>(1, 5000)});
    }
    const size_t chunk_bytes = *rc::gen::inRange<size_t>(1, 700);
    std::vector<size_t> next(pairs.size());
    for (const auto& transfer : pieces(pairs, chunk_bytes, false)) {
      const auto pair = static_cast<size_t>(transfer.peer);
      const size_t count = (pairs[pair].bytes - 1) / chunk_bytes + 1;
      const size_t piece = next[pair]++;
      const size_t share = (2 * piece + 1) * 256 / (2 * count);
      RC_ASSERT(transfer.order == (share << 52 | size_t{2} * pair << 28 | piece));
    }
  }));
}

TEST(Pieces, OfNoPairsAreNone) {
  ShareOrder order;
  EXPECT_EQ(order.arrange(std::vector<DirectPair>{{.peer = 1, .phase = 0, .bytes = 5}}, {}), 1U);
  EXPECT_EQ(order.arrange({}, {}), 0U);
}

TEST(Pieces, TooManyAreRefused) {
  CompileOptions options;
  options.chunk_bytes = 1;
  const std::vector<DirectPair> one = {{.peer = 1, .phase = 0, .bytes = size_t{1} << 40}};
  EXPECT_THROW(ShareOrder().arrange(one, options), std::bad_alloc);
  const std::vector<DirectPair> together(3, {.peer = 1, .phase = 0, .bytes = size_t{1} << 30});
  EXPECT_THROW(ShareOrder().arrange(together, options), std::bad_alloc);
}

TEST(Pieces, OverSeveralRailsAreAsManyForEach) {
  const auto count = [](size_t bytes) {
    return pieces({{.peer = 1, .phase = 2, .bytes = bytes}}, 1000, true, 3).size();
  };
  EXPECT_EQ(count(2500), 3U);
  EXPECT_EQ(count(3500), 6U);
  EXPECT_EQ(count(900), 3U);  // one would do
  EXPECT_EQ(count(17), 2U);   // of at least 8 bytes
  EXPECT_EQ(count(7), 1U);
}

TEST(Messages, AreCutBehindTheirHeaders) {
  EXPECT_TRUE(rc::check("cuts", [] {
    const auto total = *rc::gen::inRange<size_t>(1, 10000);
    const auto header = *rc::gen::inRange<size_t>(0, total + 1);
    const auto most = *rc::gen::inRange<size_t>(1, 17);
    const auto least = *rc::gen::inRange<size_t>(1, 2000);
    const Cut cut = cut_message(total, header, most, least);
    RC_ASSERT(cut.count >= 1U && cut.count <= most);
    RC_ASSERT(cut.first >= header && cut.bytes(0) == cut.first);
    size_t sum = 0;
    for (size_t k = 0; k < cut.count; ++k) {
      RC_ASSERT(cut.offset(k) == sum);
      RC_ASSERT(cut.bytes(k) > 0U);
      sum += cut.bytes(k);
    }
    RC_ASSERT(sum == total);
    RC_ASSERT(total >= 2 * least || cut.count == 1U);
  }));
}

TEST(Messages, OfNothingAreOnePiece) { EXPECT_EQ(cut_message(0, 0, 4, 100).count, 1U); }

TEST(Pieces, OfAPairTakeRailsInTurn) {
  const Transfers transfers = pieces({{.peer = 1, .phase = 2, .place = 7, .bytes = 30}}, 10, true);
  ASSERT_EQ(transfers.size(), 3U);
  EXPECT_EQ(transfers[0].place, 7);
  EXPECT_EQ(transfers[2].place, 9);
}

}  // namespace
}  // namespace banyan::executor
