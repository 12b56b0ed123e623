// SPDX-License-Identifier: Apache-2.0
#include "moe/gate/topk.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "gate_test.hpp"
#include "moe/gate/bias.hpp"
#include "moe/gate/hash.hpp"
#include "moe/gate/ktop1.hpp"
#include "moe/gate/random.hpp"

namespace banyan::moe::gate {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;

TEST(TopK, SwitchByHand) {
  const auto table = table_of(3, {1, 3, 2, 0, 0, 0});
  const auto routing = topk(table.scores(), {});
  EXPECT_THAT(routing.idx, ElementsAre(1, 0));
  EXPECT_FLOAT_EQ(routing.weights[0], static_cast<float>(1 / (1 + std::exp(-1.0) + std::exp(-2.0))));
  EXPECT_FLOAT_EQ(routing.weights[1], 1.0F / 3);
}

TEST(TopK, EqualScoresThenTheLowerExpertFirst) {
  const auto table = table_of(5, {7, 8, 7, 8, 8});
  EXPECT_THAT(topk(table.scores(), {.top_k = 4}).idx, ElementsAre(1, 3, 4, 0));
}

TEST(TopK, WeightsThatUnderflowThenScoresDecide) {
  const auto table = table_of(3, {0, -2000, -1000});
  EXPECT_THAT(topk(table.scores(), {.top_k = 2}).idx, ElementsAre(0, 2));
}

/// HetuMoE hides chosen experts behind -10000 (TopKIdx.cu), so that below it the same one is chosen twice.
TEST(TopK, ScoresBelowMinusTenThousandThenChoicesDiffer) {
  const auto table = table_of(3, {-40000, -20000, -30000});
  EXPECT_THAT(topk(table.scores(), {.top_k = 3}).idx, ElementsAre(1, 2, 0));
}

TEST(TopK, SoftmaxOfChosenThenSameAsRenormalisedSoftmax) {
  EXPECT_TRUE(rc::check([](unsigned seed) {
    const auto table = random_table(20, 9, seed);
    const auto k = *rc::gen::inRange<size_t>(1, 10);
    const auto before = topk(table.scores(), {.top_k = k, .renormalize = true});
    const auto after = topk(table.scores(), {.top_k = k, .activation = Activation::kSoftmaxOfChosen});
    RC_ASSERT(before.idx == after.idx);
    for (size_t at = 0; at < before.weights.size(); ++at) {
      RC_ASSERT(std::abs(before.weights[at] - after.weights[at]) < 1e-6F);
    }
  }));
}

TEST(TopK, AnyScoresThenTheBestInOrderAndEachOnce) {
  EXPECT_TRUE(rc::check([](unsigned seed) {
    const auto table = tied_table(10, 8, seed);
    const auto k = *rc::gen::inRange<size_t>(1, 9);
    const auto routing = topk(table.scores(), {.top_k = k});
    for (size_t token = 0; token < 10; ++token) {
      std::vector<std::pair<float, size_t>> sorted;
      for (size_t expert = 0; expert < 8; ++expert) {
        sorted.emplace_back(-table.values[token * 8 + expert], expert);
      }
      std::sort(sorted.begin(), sorted.end());
      for (size_t choice = 0; choice < k; ++choice) {
        RC_ASSERT(routing.idx[token * k + choice] == static_cast<int64_t>(sorted[choice].second));
      }
    }
  }));
}

TEST(TopK, BiasThenItChoosesAndDoesNotWeigh) {
  const auto table = table_of(3, {2, 1, 0});
  const std::vector<float> bias = {-1, 0, 0};
  const auto routing = topk(table.scores(), {.top_k = 2, .activation = Activation::kSigmoid, .bias = bias});
  EXPECT_THAT(routing.idx, ElementsAre(1, 2));  // 0.88 - 1, 0.73, 0.5
  EXPECT_THAT(routing.weights, ElementsAre(FloatNear(0.7310586F, 1e-6F), FloatNear(0.5F, 1e-6F)));
}

TEST(TopK, RenormaliseAndScaleThenAsInDeepSeekV3) {
  const auto table = table_of(3, {2, 1, 0});
  const auto routing =
      topk(table.scores(), {.top_k = 2, .activation = Activation::kSigmoid, .renormalize = true, .scale = 2.5});
  const double a = 1 / (1 + std::exp(-2.0));
  const double b = 1 / (1 + std::exp(-1.0));
  EXPECT_THAT(routing.weights, ElementsAre(FloatNear(static_cast<float>(2.5 * a / (a + b)), 1e-6F),
                                           FloatNear(static_cast<float>(2.5 * b / (a + b)), 1e-6F)));
}

TEST(TopK, WeightsThatSumToZeroThenTheyStayZero) {
  const auto table = table_of(2, {0, 0});
  const auto routing = topk(table.scores(), {.top_k = 2, .activation = Activation::kIdentity, .renormalize = true});
  EXPECT_THAT(routing.weights, ElementsAre(0, 0));
}

TEST(Groups, GradesDifferThenSoDoGroups) {
  // Groups: {5, 0, 0}, {4, 4, 0}, {3, 3, 3}.
  const auto table = table_of(9, {5, 0, 0, 4, 4, 0, 3, 3, 3});
  TopKTerms terms{.top_k = 1, .activation = Activation::kIdentity, .num_groups = 3, .top_groups = 1};
  EXPECT_THAT(topk(table.scores(), terms).idx, ElementsAre(0));
  terms.group_score = GroupScore::kTop2Sum;
  EXPECT_THAT(topk(table.scores(), terms).idx, ElementsAre(3));
  terms.group_score = GroupScore::kSum;
  EXPECT_THAT(topk(table.scores(), terms).idx, ElementsAre(6));
}

TEST(Groups, NodeLimitedThenNoMoreGroupsThanAllowedAndTheBestOfThem) {
  EXPECT_TRUE(rc::check([](unsigned seed) {
    const auto table = random_table(12, 16, seed);
    const auto top_groups = *rc::gen::inRange<size_t>(1, 5);
    const std::vector<float> bias = random_table(1, 16, seed + 1, 0.1F).values;
    const auto routing = topk(table.scores(), {.top_k = 4,
                                               .activation = Activation::kSigmoid,
                                               .bias = bias,
                                               .num_groups = 4,
                                               .top_groups = top_groups,
                                               .group_score = GroupScore::kTop2Sum});
    for (size_t token = 0; token < 12; ++token) {
      std::vector<std::pair<double, size_t>> grades;
      std::vector<double> keys(16);
      for (size_t expert = 0; expert < 16; ++expert) {
        keys[expert] = 1 / (1 + std::exp(-double{table.values[token * 16 + expert]})) + bias[expert];
      }
      for (size_t group = 0; group < 4; ++group) {
        std::vector<double> sorted(keys.begin() + static_cast<ptrdiff_t>(4 * group),
                                   keys.begin() + static_cast<ptrdiff_t>(4 * group + 4));
        std::sort(sorted.rbegin(), sorted.rend());
        grades.emplace_back(-(sorted[0] + sorted[1]), group);
      }
      std::sort(grades.begin(), grades.end());
      std::vector<std::pair<double, int64_t>> allowed;
      for (size_t rank = 0; rank < top_groups; ++rank) {
        for (size_t expert = 4 * grades[rank].second; expert < 4 * grades[rank].second + 4; ++expert) {
          allowed.emplace_back(-keys[expert], static_cast<int64_t>(expert));
        }
      }
      std::sort(allowed.begin(), allowed.end());
      for (size_t choice = 0; choice < 4; ++choice) {
        RC_ASSERT(routing.idx[token * 4 + choice] == allowed[choice].second);
      }
    }
  }));
}

/// Shares of a GShard gate whose second choice has 0.2 of both weights.
TEST(Second, ByWeightThenKeptAsOftenAsGShardSays) {
  constexpr size_t kTokens = 20000;
  std::vector<float> values;
  for (size_t token = 0; token < kTokens; ++token) {
    values.insert(values.end(), {std::log(8.0F), std::log(2.0F), -50});
  }
  const auto table = table_of(3, values);
  const auto routing = topk(table.scores(), {.top_k = 2, .renormalize = true, .second = Second::kByWeight, .seed = 7});
  size_t kept = 0;
  for (size_t token = 0; token < kTokens; ++token) {
    EXPECT_EQ(routing.idx[2 * token], 0);
    EXPECT_FLOAT_EQ(routing.weights[2 * token], 0.8F) << "the first keeps the weight that it has beside the second";
    kept += routing.idx[2 * token + 1] == 1 ? 1 : 0;
    ASSERT_TRUE(routing.idx[2 * token + 1] == 1 || routing.weights[2 * token + 1] == 0);
  }
  EXPECT_NEAR(static_cast<double>(kept) / kTokens, 0.4, 0.02);
  EXPECT_NE(routing.idx, topk(table.scores(), {.top_k = 2, .second = Second::kByWeight, .seed = 8}).idx);
  EXPECT_EQ(routing.idx, topk(table.scores(), {.top_k = 2, .second = Second::kByWeight, .seed = 7}).idx);
}

TEST(Second, GumbelThenAsOftenAsItsSoftmaxAmongTheOthers) {
  constexpr size_t kTokens = 20000;
  std::vector<float> values;
  for (size_t token = 0; token < kTokens; ++token) {
    values.insert(values.end(), {std::log(3.0F), 5, std::log(1.0F)});
  }
  const auto table = table_of(3, values);
  const auto routing = topk(table.scores(), {.top_k = 2, .second = Second::kGumbel, .seed = 1});
  size_t stronger = 0;
  for (size_t token = 0; token < kTokens; ++token) {
    ASSERT_EQ(routing.idx[2 * token], 1);
    ASSERT_NE(routing.idx[2 * token + 1], 1);
    stronger += routing.idx[2 * token + 1] == 0 ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(stronger) / kTokens, 0.75, 0.02);
}

TEST(TopK, BadInputThenNamesIt) {
  const auto table = random_table(3, 8, 1);
  const auto scores = table.scores();
  expect_error([&] { return topk(scores, {.top_k = 9}); }, "options.top_k is 9, must be between 1 and 8");
  expect_error([&] { return topk(scores, {.top_k = 0}); }, "options.top_k is 0");
  expect_error([&] { return topk(scores, {.num_groups = 3}); }, "options.num_groups is 3, which does not divide");
  expect_error([&] { return topk(scores, {.num_groups = 4, .top_groups = 5}); }, "options.top_groups is 5");
  expect_error([&] { return topk(scores, {.top_k = 3, .num_groups = 4}); },
               "options.top_k is 3, must be between 1 and 2");
  expect_error([&] { return topk(scores, {.top_k = 3, .second = Second::kByWeight}); }, "options.second");
  expect_error([&] { return topk(scores, {.scale = std::nan("")}); }, "options.scale is nan");
  const std::vector<float> bias = {0, 0, 0, INFINITY, 0, 0, 0, 0};
  expect_error([&] { return topk(scores, {.bias = bias}); }, "options.bias[3] is inf");
  expect_error([&] { return table_of(2, {1, 2, 3, NAN}).scores(); }, "scores.values[1, 1] (token, expert) is nan");
  expect_error([&] { return table_of(2, {1, -INFINITY}).scores(); }, "scores.values[0, 1] (token, expert) is -inf");
  expect_error([&] { return scores_of(nullptr, 1, 1); }, "scores.values is NULL");
  expect_error([&] { return scores_of(nullptr, 0, 0); }, "scores.num_experts is 0");
  expect_error([&] { return scores_of(nullptr, std::numeric_limits<size_t>::max() / 2, 4); }, "overflows",
               BANYAN_ERR_LIMIT);
  EXPECT_TRUE(topk(scores_of(nullptr, 0, 4), {.top_k = 4}).idx.empty());
}

TEST(KTop1, EachRangeThenItsBestWithItsOwnSoftmax) {
  const auto table = table_of(4, {1, 2, 4, 3, 0, 0, 0, 0});
  auto routing = ktop1(table.scores(), 2, false);
  EXPECT_THAT(routing.idx, ElementsAre(1, 2, 0, 2));
  const float weight = static_cast<float>(1 / (1 + std::exp(-1.0)));
  EXPECT_THAT(routing.weights, ElementsAre(weight, weight, 0.5F, 0.5F));
  routing = ktop1(table.scores(), 2, true);
  EXPECT_THAT(routing.weights, ElementsAre(0.5F, 0.5F, 0.5F, 0.5F));
  EXPECT_EQ(ktop1(table.scores(), 1, false).idx, topk(table.scores(), {}).idx);
  EXPECT_THAT(ktop1(table.scores(), 4, false).weights, ::testing::Each(1.0F));
  expect_error([&] { return ktop1(table.scores(), 3, false); }, "options.num_prototypes is 3, which does not divide");
  expect_error([&] { return ktop1(table.scores(), 5, false); }, "options.num_prototypes is 5");
}

TEST(Hash, ManyIdsThenEvenlySpreadAndDecidedByIdAndSeed) {
  std::vector<int64_t> ids(16000);
  std::iota(ids.begin(), ids.end(), -8000);
  const auto routing = hash(ids, {.num_experts = 16, .seed = 3});
  std::vector<size_t> counts(16, 0);
  for (const int64_t expert : routing.idx) {
    ++counts[static_cast<size_t>(expert)];
  }
  EXPECT_THAT(counts, ::testing::Each(::testing::AllOf(::testing::Gt(850U), ::testing::Lt(1150U))));  // 5 sigma
  EXPECT_THAT(routing.weights, ::testing::Each(1.0F));
  EXPECT_EQ(hash(std::vector<int64_t>{ids[5]}, {.num_experts = 16, .seed = 3}).idx[0], routing.idx[5]);
  EXPECT_NE(hash(ids, {.num_experts = 16, .seed = 4}).idx, routing.idx);
}

TEST(Hash, TableThenItDecides) {
  const std::vector<int64_t> table = {2, 0, 1};
  const std::vector<int64_t> ids = {1, 1, 0, 2};
  EXPECT_THAT(hash(ids, {.num_experts = 3, .table = table}).idx, ElementsAre(0, 0, 2, 1));
  const std::vector<int64_t> outside = {0, 3};
  expect_error([&] { return hash(outside, {.num_experts = 3, .table = table}); }, "token_ids[1] is 3");
  expect_error([&] { return hash(ids, {.num_experts = 2, .table = table}); }, "options.table[0] is 2");
  expect_error([&] { return hash(ids, {.num_experts = 0}); }, "options.num_experts is 0");
}

TEST(Random, SplitMix64ThenItsKnownValues) {
  // The first outputs of the generator with seed 1234567, from the reference implementation's state sequence.
  EXPECT_EQ(mixed(1234567), 6457827717110365317U);
  EXPECT_EQ(mixed(1234567 + 0x9e3779b97f4a7c15U), 3203168211198807973U);
}

TEST(UpdatedBias, LoadsThenTowardsTheMean) {
  const std::vector<size_t> counts = {10, 2, 6};
  const std::vector<float> bias = {0.5F, 0, -1};
  EXPECT_THAT(updated_bias(counts, 0.25, bias), ElementsAre(0.25F, 0.25F, -1.0F));
  expect_error([&] { return updated_bias(counts, NAN, bias); }, "rate is nan");
}

/// Repeated with a fixed skewed gate, the biases even the loads out (arXiv 2408.15664).
TEST(UpdatedBias, SkewedGateThenLoadsEvenOut) {
  auto table = random_table(512, 8, 5, 1);
  for (size_t at = 0; at < table.values.size(); at += 8) {
    table.values[at] += 3;
  }
  std::vector<float> bias(8, 0.0F);
  const auto loads = [&] {
    std::vector<size_t> counts(8, 0);
    for (const int64_t e : topk(table.scores(), {.top_k = 2, .activation = Activation::kSigmoid, .bias = bias}).idx) {
      ++counts[static_cast<size_t>(e)];
    }
    return counts;
  };
  EXPECT_GT(loads()[0], 450U);
  for (int step = 0; step < 400; ++step) {
    bias = updated_bias(loads(), 0.002, bias);
  }
  EXPECT_THAT(loads(), ::testing::Each(::testing::AllOf(::testing::Gt(108U), ::testing::Lt(148U))));  // mean 128
}

}  // namespace
}  // namespace banyan::moe::gate
