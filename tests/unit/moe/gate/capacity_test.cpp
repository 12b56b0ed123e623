// SPDX-License-Identifier: Apache-2.0
#include "moe/gate/capacity.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "gate_test.hpp"
#include "moe/gate/topk.hpp"

namespace banyan::moe::gate {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

size_t capacity(CapacityFormula formula, size_t tokens, size_t experts, size_t k, double factor) {
  return capacity_of({.formula = formula, .num_tokens = tokens, .num_experts = experts, .top_k = k, .factor = factor});
}

TEST(CapacityOf, ByHand) {
  EXPECT_EQ(capacity(CapacityFormula::kSwitch, 100, 8, 1, 1), 13U);
  EXPECT_EQ(capacity(CapacityFormula::kSwitch, 100, 8, 1, 1.25), 16U);
  EXPECT_EQ(capacity(CapacityFormula::kGShard, 100, 8, 2, 1), 25U);
  EXPECT_EQ(capacity(CapacityFormula::kDeepSpeed, 100, 8, 3, 1), 38U);
  EXPECT_EQ(capacity(CapacityFormula::kTutel, 100, 8, 3, 1), 39U);     // 3 * 13
  EXPECT_EQ(capacity(CapacityFormula::kTutel, 100, 8, 2, 1.25), 32U);  // 2 * floor(16.25)
  EXPECT_EQ(capacity(CapacityFormula::kTutel, 10, 1, 1, 1.1), 11U) << "1.1 * 10 is 11, whatever its rounding";
  EXPECT_EQ(capacity(CapacityFormula::kSwitch, 10, 1, 1, 1.1), 11U);
  EXPECT_EQ(capacity(CapacityFormula::kSwitch, 0, 8, 1, 1), 0U);
  EXPECT_EQ(capacity_of({.num_tokens = 8, .num_experts = 8, .min_capacity = 4}), 4U);
  expect_error([] { return capacity(CapacityFormula::kSwitch, 8, 0, 1, 1); }, "options.num_experts is 0");
  expect_error([] { return capacity(CapacityFormula::kSwitch, 8, 2, 3, 1); }, "options.top_k is 3");
  expect_error([] { return capacity(CapacityFormula::kSwitch, 8, 2, 1, -1); }, "options.factor is -1");
  expect_error([] { return capacity(CapacityFormula::kSwitch, 8, 2, 1, NAN); }, "options.factor is nan");
  expect_error([] { return capacity(CapacityFormula::kSwitch, 8, 2, 1, 1e300); }, "below 2^53", BANYAN_ERR_LIMIT);
}

/// TA-MoE's and FastMoE's capacities leave k out, so that even routing of two choices is dropped (A6 of the reference).
TEST(CapacityOf, EvenRoutingOfTwoChoicesThenFormulasWithKDropNothing) {
  std::vector<int64_t> idx;
  for (int64_t token = 0; token < 64; ++token) {
    idx.insert(idx.end(), {token % 8, (token + 1) % 8});
  }
  const auto dropped_with = [&](CapacityFormula formula) {
    const size_t room = capacity(formula, 64, 8, 2, 1);
    return apply_capacity({.num_tokens = 64, .num_experts = 8, .top_k = 2, .capacity = room}, idx, {}).num_dropped;
  };
  EXPECT_EQ(dropped_with(CapacityFormula::kDeepSpeed), 0U);
  EXPECT_EQ(dropped_with(CapacityFormula::kGShard), 0U);
  EXPECT_EQ(dropped_with(CapacityFormula::kTutel), 0U);
  EXPECT_EQ(dropped_with(CapacityFormula::kSwitch), 64U);
}

TEST(ApplyCapacity, PositionThenTheFirstTokensStay) {
  const std::vector<int64_t> idx = {0, 0, 1, 0};
  const auto result = apply_capacity({.num_tokens = 4, .num_experts = 2, .capacity = 2}, idx, {});
  EXPECT_THAT(result.idx, ElementsAre(0, 0, 1, -1));
  EXPECT_THAT(result.positions, ElementsAre(0, 1, 0, -1));
  EXPECT_THAT(result.requested, ElementsAre(3, 1));
  EXPECT_THAT(result.kept, ElementsAre(2, 1));
  EXPECT_EQ(result.num_dropped, 1U);
}

TEST(ApplyCapacity, SecondChoicesThenAfterAllFirstOnes) {
  const std::vector<int64_t> idx = {1, 0, 0, 1};  // token 0: 1 then 0; token 1: 0 then 1
  const auto result = apply_capacity({.num_tokens = 2, .num_experts = 2, .top_k = 2, .capacity = 1}, idx, {});
  EXPECT_THAT(result.idx, ElementsAre(1, -1, 0, -1));
  const auto roomy = apply_capacity({.num_tokens = 2, .num_experts = 2, .top_k = 2, .capacity = 2}, idx, {});
  EXPECT_THAT(roomy.positions, ElementsAre(0, 1, 0, 1));
}

/// HetuMoE's TopGate.py starts second choices after the count of second ones, not of first ones: slots collide.
TEST(ApplyCapacity, TwoChoicesThenNoSlotTwice) {
  const std::vector<int64_t> idx = {0, 1, 0, 2, 0, 1, 2, 0};
  const auto result = apply_capacity({.num_tokens = 4, .num_experts = 3, .top_k = 2, .capacity = 8}, idx, {});
  EXPECT_THAT(result.positions, ElementsAre(0, 0, 1, 1, 2, 1, 0, 3));
}

TEST(ApplyCapacity, AbsentChoicesThenSkipped) {
  const std::vector<int64_t> idx = {-1, 1, -1, -1, 1, 0};
  const auto result = apply_capacity({.num_tokens = 3, .num_experts = 2, .top_k = 2, .capacity = 1}, idx, {});
  EXPECT_THAT(result.idx, ElementsAre(-1, -1, -1, -1, 1, 0));
  EXPECT_THAT(result.requested, ElementsAre(1, 2));
  EXPECT_EQ(result.num_dropped, 1U) << "the absent ones were not dropped";
}

TEST(ApplyCapacity, ScoreThenTokensOfTheLargestWeightFirst) {
  const std::vector<int64_t> idx = {0, 0, 0, 1};
  const std::vector<float> weights = {0.3F, 0.9F, 0.5F, 0.1F};
  const auto result =
      apply_capacity({.num_tokens = 4, .num_experts = 2, .capacity = 2, .policy = DropPolicy::kScore}, idx, weights);
  EXPECT_THAT(result.idx, ElementsAre(-1, 0, 0, 1));
  EXPECT_THAT(result.positions, ElementsAre(-1, 0, 1, 0));
}

TEST(ApplyCapacity, ScoreOfSeveralChoicesThenTheLargestOfThePresentOnesCounts) {
  const std::vector<int64_t> idx = {0, 1, 0, 2, 0, -1};
  const std::vector<float> weights = {0.5F, 0.5F, 0.9F, 0.1F, 0.2F, 7.0F};
  const auto result = apply_capacity(
      {.num_tokens = 3, .num_experts = 3, .top_k = 2, .capacity = 1, .policy = DropPolicy::kScore}, idx, weights);
  EXPECT_THAT(result.idx, ElementsAre(-1, 1, 0, 2, -1, -1));
  EXPECT_THAT(result.weights, ElementsAre(0, 0.5F, 0.9F, 0.1F, 0, 0));
}

TEST(ApplyCapacity, RandomThenEachTokenStaysAsOftenAndTheSeedDecides) {
  const std::vector<int64_t> idx(10, 0);
  std::vector<int> stays(10, 0);
  DropTerms terms{.num_tokens = 10, .num_experts = 1, .capacity = 3, .policy = DropPolicy::kRandom};
  for (terms.seed = 0; terms.seed < 3000; ++terms.seed) {
    const auto result = apply_capacity(terms, idx, {});
    EXPECT_EQ(result.kept[0], 3U);
    EXPECT_EQ(result.idx, apply_capacity(terms, idx, {}).idx);
    for (size_t token = 0; token < 10; ++token) {
      stays[token] += result.idx[token] == 0 ? 1 : 0;
    }
  }
  EXPECT_THAT(stays, Each(::testing::AllOf(::testing::Gt(775), ::testing::Lt(1025))));  // 900, 5 sigma
}

struct Case {
  DropTerms terms;
  std::vector<int64_t> idx;
  std::vector<float> weights;
  std::vector<size_t> capacities;
};

Case random_case(unsigned seed) {
  const auto k = *rc::gen::inRange<size_t>(1, 5);
  const auto table = tied_table(30, 6, seed);
  auto routing = topk(table.scores(), {.top_k = k});
  std::mt19937 generator(seed);
  for (int64_t& expert : routing.idx) {
    expert = generator() % 7 == 0 ? -1 : expert;
  }
  Case made{.terms = {.num_tokens = 30, .num_experts = 6, .top_k = k, .seed = seed},
            .idx = routing.idx,
            .weights = routing.weights,
            .capacities = *rc::gen::container<std::vector<size_t>>(6, rc::gen::inRange<size_t>(0, 20))};
  made.terms.policy = static_cast<DropPolicy>(*rc::gen::inRange(0, 4));
  return made;
}

TEST(ApplyCapacity, AnyRoutingAndPolicyThenFullBuffersWithoutGaps) {
  EXPECT_TRUE(rc::check([](unsigned seed) {
    auto made = random_case(seed);
    made.terms.capacities = made.capacities;
    const auto result = apply_capacity(made.terms, made.idx, made.weights);
    std::vector<std::set<int64_t>> slots(6);
    size_t dropped = 0;
    for (size_t at = 0; at < made.idx.size(); ++at) {
      RC_ASSERT(result.idx[at] == made.idx[at] || result.idx[at] == -1);
      RC_ASSERT((result.idx[at] == -1) == (result.positions[at] == -1));
      dropped += result.idx[at] != made.idx[at] ? 1 : 0;
      if (result.idx[at] >= 0) {
        RC_ASSERT(slots[static_cast<size_t>(result.idx[at])].insert(result.positions[at]).second);
      }
    }
    RC_ASSERT(dropped == result.num_dropped);
    for (size_t expert = 0; expert < 6; ++expert) {
      const auto asked =
          static_cast<size_t>(std::count(made.idx.begin(), made.idx.end(), static_cast<int64_t>(expert)));
      RC_ASSERT(result.requested[expert] == asked);
      RC_ASSERT(result.kept[expert] == slots[expert].size());
      const int64_t next = slots[expert].empty() ? 0 : *slots[expert].rbegin() + 1;
      RC_ASSERT(next == static_cast<int64_t>(slots[expert].size()));
      const bool limited = made.terms.policy != DropPolicy::kNone;
      RC_ASSERT(result.kept[expert] == (limited ? std::min(asked, made.capacities[expert]) : asked));
    }
  }));
}

/// HetuMoE's top-2 combine assigns instead of adding, and its gradient takes the first expert twice: each kept choice
/// must find the row of its own expert, which is the gradient of its weight, and the token the weighted sum of them.
TEST(ApplyCapacity, RowsThroughTheBuffersThenTheWeightedSumOfAllChoices) {
  const auto table = random_table(40, 5, 2);
  const auto routing = topk(table.scores(), {.top_k = 2, .renormalize = true});
  const auto result =
      apply_capacity({.num_tokens = 40, .num_experts = 5, .top_k = 2, .capacity = 14}, routing.idx, routing.weights);
  EXPECT_GT(result.num_dropped, 0U);
  std::vector<double> buffers(5 * 14, NAN);
  for (size_t at = 0; at < result.idx.size(); ++at) {
    if (result.idx[at] >= 0) {  // the row of token t is the number t; expert e multiplies by e + 1
      buffers[static_cast<size_t>(result.idx[at] * 14 + result.positions[at])] =
          static_cast<double>(at / 2) * static_cast<double>(result.idx[at] + 1);
    }
  }
  for (size_t token = 0; token < 40; ++token) {
    double combined = 0;
    double expected = 0;
    for (size_t at = 2 * token; at < 2 * token + 2; ++at) {
      if (result.idx[at] >= 0) {
        const double row = buffers[static_cast<size_t>(result.idx[at] * 14 + result.positions[at])];
        EXPECT_EQ(row, static_cast<double>(token) * static_cast<double>(result.idx[at] + 1));
        combined += routing.weights[at] * row;
        expected += routing.weights[at] * static_cast<double>(token) * static_cast<double>(result.idx[at] + 1);
      }
    }
    EXPECT_NEAR(combined, expected, 1e-9);
  }
}

TEST(ApplyCapacity, BadInputThenNamesIt) {
  const auto apply = [](const std::vector<int64_t>& idx, const std::vector<float>& weights, DropTerms terms) {
    terms.num_tokens = idx.size() / terms.top_k;
    terms.num_experts = 4;
    return apply_capacity(terms, idx, weights);
  };
  expect_error([&] { return apply({0, 4}, {}, {.capacity = 1}); }, "topk_idx[1, 0] (token, choice) is 4");
  expect_error([&] { return apply({0, -2}, {}, {.capacity = 1}); }, "topk_idx[1, 0] (token, choice) is -2");
  expect_error(
      [&] {
        return apply({0, 1, 3, 3}, {}, {.top_k = 2, .capacity = 1});
      },
      "topk_idx[1, 1] (token, choice) is 3, which this token has chosen already");
  expect_error([&] { return apply({0}, {}, {.top_k = 5}); }, "options.top_k is 5");
  expect_error([&] { return apply({0}, {}, {.capacity = 0}); }, "options.capacity is 0");
  expect_error([&] { return apply({0}, {}, {.capacity = 1, .policy = DropPolicy::kScore}); }, "topk_weights is NULL");
  expect_error([&] { return apply({0}, {NAN}, {.capacity = 1, .policy = DropPolicy::kScore}); },
               "topk_weights[0, 0] (token, choice) is nan");
  EXPECT_EQ(apply({-1}, {NAN}, {.capacity = 1, .policy = DropPolicy::kScore}).num_dropped, 0U);
}

}  // namespace
}  // namespace banyan::moe::gate
