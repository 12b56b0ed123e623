// SPDX-License-Identifier: Apache-2.0
#include "layer/layer.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "common/failure.hpp"
#include "layer/dealer.hpp"
#include "layer/gate.hpp"
#include "layer/least_rows.hpp"
#include "layer/values.hpp"

namespace banyan::perf {
namespace {

LayerTerms small_terms() {
  LayerTerms terms;
  terms.num_experts = 8;
  terms.top_k = 2;
  terms.hidden = 4;
  terms.tokens = 16;
  return terms;
}

TEST(Placement, BlocksGiveTheFirstRanksOneMore) {
  EXPECT_EQ(block_placement(7, 3).ranks, (std::vector<int>{0, 0, 0, 1, 1, 2, 2}));
}

TEST(Placement, UnevenBlocksAreAsOneTwoThree) {
  std::vector<int> sizes(6);
  for (const int rank : uneven_placement(24, 6).ranks) {
    ++sizes[static_cast<size_t>(rank)];
  }
  EXPECT_EQ(sizes, (std::vector<int>{2, 4, 6, 2, 4, 6}));
}

TEST(Placement, AnyNumberOfExpertsIsDealtWhole) {
  EXPECT_TRUE(rc::check([] {
    const int experts = *rc::gen::inRange(1, 100);
    const int ranks = *rc::gen::inRange(1, 40);
    const int replicas = *rc::gen::inRange(0, experts + 1);
    for (const Placement& placement : {block_placement(experts, ranks), uneven_placement(experts, ranks)}) {
      RC_ASSERT(placement.num_experts() == experts);
      RC_ASSERT(std::is_sorted(placement.ranks.begin(), placement.ranks.end()));
      const Placement more = with_replicas(placement, replicas, ranks);
      size_t held = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        held += experts_of_rank(more, rank).size();
      }
      RC_ASSERT(held == static_cast<size_t>(experts + (ranks > 1 ? replicas : 0)));  // no expert twice on a rank
    }
  }));
}

TEST(Layer, ZeroRanksAreSpreadEvenly) {
  LayerTerms terms = small_terms();
  terms.zero_ranks = 0.25;
  const Layer layer = make_layer(terms, 8);
  std::vector<size_t> tokens;
  for (int rank = 0; rank < 8; ++rank) {
    tokens.push_back(layer.tokens_of(rank));
  }
  EXPECT_EQ(tokens, (std::vector<size_t>{16, 16, 16, 0, 16, 16, 16, 0}));
}

TEST(Layer, NonsenseIsRefusedByName) {
  const auto refusal = [](auto change) -> std::string {
    LayerTerms terms = small_terms();
    change(terms);
    try {
      static_cast<void>(make_layer(terms, 4));
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(refusal([](auto& terms) { terms.top_k = 9; }).find("--top-k"), std::string::npos);
  EXPECT_NE(refusal([](auto& terms) { terms.dtype = "fp8"; }).find("fp8"), std::string::npos);
  EXPECT_NE(refusal([](auto& terms) { terms.zero_ranks = 1; }).find("--zero-ranks"), std::string::npos);
  EXPECT_NE(refusal([](auto& terms) { terms.placement = "odd"; }).find("odd"), std::string::npos);
  EXPECT_NE(refusal([](auto& terms) { terms.replicas = 9; }).find("--replicas"), std::string::npos);
  EXPECT_NE(refusal([](auto& terms) { terms.zipf = -1; }).find("--zipf"), std::string::npos);
}

TEST(Gate, ChoicesOfATokenAreDistinct) {
  LayerTerms terms = small_terms();
  terms.zipf = 2;
  terms.top_k = 5;
  const Layer layer = make_layer(terms, 4);
  const GateOutput gate = gate_of(layer, 1);
  ASSERT_EQ(gate.topk_idx.size(), 16U * 5);
  for (size_t at = 0; at < gate.topk_idx.size(); at += 5) {
    const std::set<int64_t> experts(gate.topk_idx.begin() + static_cast<std::ptrdiff_t>(at),
                                    gate.topk_idx.begin() + static_cast<std::ptrdiff_t>(at + 5));
    EXPECT_EQ(experts.size(), 5U);
  }
}

TEST(Gate, TargetsAreWhatIsDrawnOnAverage) {
  LayerTerms terms = small_terms();
  terms.tokens = 20000;
  Layer layer = make_layer(terms, 1);
  layer.targets = {20000, 10000, 5000, 3000, 1000, 700, 300, 0};  // of 40000 choices; the first in every token
  std::vector<double> counts(8);
  const GateOutput gate = gate_of(layer, 0);
  for (size_t at = 0; at < gate.topk_idx.size(); at += 2) {
    ++counts[static_cast<size_t>(gate.topk_idx[at])];
    ++counts[static_cast<size_t>(gate.topk_idx[at + 1])];
    EXPECT_NE(gate.topk_idx[at], gate.topk_idx[at + 1]);
  }
  for (size_t e = 0; e < counts.size(); ++e) {  // five standard deviations of a binomial
    EXPECT_NEAR(counts[e], layer.targets[e], 5 * std::sqrt(layer.targets[e] * (1 - layer.targets[e] / 20000)) + 1e-9);
  }
}

TEST(Gate, TargetsBeyondOneOfATokenFail) {
  Layer layer = make_layer(small_terms(), 1);
  layer.targets = {20, 12, 0, 0, 0, 0, 0, 0};  // of 16 tokens
  EXPECT_THROW(static_cast<void>(gate_of(layer, 0)), Failure);
}

TEST(Dealer, NearestReplicasTakeTurns) {
  const Placement placement{{0, 3, 4}, {0, 2, 3, 1}};  // expert 0 on ranks 0, 2, 3; expert 1 on rank 1
  const std::vector<int> host_of{0, 1, 2, 2, 2};
  const auto ranks = [&](int source) {
    Dealer dealer(placement, host_of, source);
    return std::vector<int>{dealer.next(0).rank, dealer.next(0).rank, dealer.next(0).rank};
  };
  EXPECT_EQ(ranks(0), (std::vector<int>{0, 0, 0}));
  EXPECT_EQ(ranks(4), (std::vector<int>{2, 3, 2}));
  EXPECT_EQ(ranks(1), (std::vector<int>{2, 3, 0}));  // begins with the second: its own number
  Dealer dealer(placement, host_of, 1);
  EXPECT_EQ(dealer.next(1).rank, 1);
  static_cast<void>(dealer.next(0));
  dealer.restart();
  EXPECT_EQ(dealer.next(0).rank, 2);
}

TEST(Values, ADefinitionThatHoldsHasNothingWrong) {
  for (const char* dtype : {"bf16", "fp16", "fp32"}) {
    LayerTerms terms = small_terms();
    terms.dtype = dtype;
    const Layer layer = make_layer(terms, 1);
    const GateOutput gate = gate_of(layer, 0);
    const auto tokens = tokens_of(layer, 0);
    std::vector<std::byte> combined(tokens.size());
    std::vector<float> sum(layer.hidden);
    for (size_t token = 0; token < 16; ++token) {
      std::fill(sum.begin(), sum.end(), 0.0F);
      for (size_t at = 2 * token; at < 2 * token + 2; ++at) {
        std::vector<std::byte> row(layer.row_bytes());
        std::memcpy(row.data(), tokens.data() + token * row.size(), row.size());
        run_expert(layer, static_cast<int>(gate.topk_idx[at]), row.data(), 1);
        add_row(layer, row.data(), gate.topk_weights[at], sum);
      }
      store_row(layer, sum, combined.data() + token * layer.row_bytes());
    }
    EXPECT_EQ(count_wrong(layer, 0, combined, 1), 0U) << dtype;
    // The last bits of an element of token 5: beyond one rounding, and of fp32 beyond those of the sum.
    combined[5 * layer.row_bytes()] ^= terms.dtype == "fp32" ? std::byte{0x40} : std::byte{2};
    EXPECT_EQ(count_wrong(layer, 0, combined, 1), 1U) << dtype;
    std::fill(combined.begin(), combined.end(), std::byte{0xFF});
    EXPECT_EQ(count_wrong(layer, 0, combined, 4), 16U * 4) << dtype;
  }
}

/// Four ranks with an expert and two tokens each, of which each goes to all experts.
Layer pair_layer() {
  LayerTerms terms;
  terms.num_experts = 4;
  terms.top_k = 4;
  terms.hidden = 500;
  terms.tokens = 2;
  return make_layer(terms, 4);
}

TEST(LeastRows, ATokenCountsOnceForEachOtherHost) {
  const LayerRows rows = rows_of(pair_layer(), {0, 0, 1, 1});
  EXPECT_EQ(rows.choices, 4U * 2 * 4);
  EXPECT_EQ(rows.inter_host_choices, 4U * 2 * 2);
  EXPECT_EQ(rows.inter_host_rows, 4U * 2);
  EXPECT_EQ(rows_of(pair_layer(), {0, 1, 2, 2}).inter_host_rows, 2U * (2 + 2 + 2 + 2));
}

TEST(LeastRows, TheSlowestLinkBounds) {
  const std::vector<RankGroup> hosts{{{0, 1}, 1000, 1000}, {{2, 3}, 1000, 500}};
  const LayerBound bound = bound_of(pair_layer(), {0, 0, 1, 1}, hosts);
  EXPECT_DOUBLE_EQ(bound.dispatch_s, 4 * 1000.0 / 500);  // four rows of 1000 bytes into the second host
  EXPECT_DOUBLE_EQ(bound.combine_s, 4 * 1000.0 / 500);
  EXPECT_EQ(bound_of(pair_layer(), {0, 0, 1, 1}, {}).dispatch_s, 0);
}

TEST(LeastRows, ATokenLeavesItsHostOnceAndALeafSwitchOnce) {
  const std::vector<int> host_of{0, 1, 2, 3};
  const std::vector<RankGroup> groups{
      {{0}, 1e3, 1e3}, {{1}, 1e3, 1e3}, {{2}, 1e3, 1e3}, {{3}, 1e3, 1e3}, {{0, 1}, 100, 100}};
  // Each host takes six rows of others, each leaf four of the other's hosts.
  EXPECT_DOUBLE_EQ(bound_of(pair_layer(), host_of, groups).dispatch_s, 4 * 1000.0 / 100);
  EXPECT_DOUBLE_EQ(bound_of(pair_layer(), host_of, {groups.begin(), groups.begin() + 4}).dispatch_s, 6 * 1000.0 / 1e3);
}

TEST(LeastRows, WhatEntersHostsAlsoLeavesHosts) {
  Layer layer = pair_layer();
  layer.zero_ranks = 0.75;  // rank 0 alone has tokens: two of them, to three hosts, and another host may pass them on
  EXPECT_EQ(rows_of(layer, {0, 1, 2, 3}).inter_host_rows, 6U);
  const LayerBound bound = bound_of(layer, {0, 1, 2, 3}, host_groups({0, 1, 2, 3}, 1000));
  EXPECT_DOUBLE_EQ(bound.dispatch_s, 2.0);
}

}  // namespace
}  // namespace banyan::perf
