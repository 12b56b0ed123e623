// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "gate_test.hpp"
#include "moe/gate/dense_to_sparse.hpp"
#include "moe/gate/expert_choice.hpp"
#include "moe/gate/topk.hpp"
#include "moe/gate/topology.hpp"

namespace banyan::moe::gate {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

TEST(ExpertChoice, ByHand) {
  // Weights of experts 0 and 1 by token: (.9 .1) (.8 .2) (.3 .7).
  const auto table = table_of(2, {0.9F, 0.1F, 0.8F, 0.2F, 0.3F, 0.7F});
  ExpertChoiceTerms terms{.capacity = 2, .top_k = 2, .activation = Activation::kIdentity};
  auto choice = expert_choice(table.scores(), terms);
  EXPECT_THAT(choice.tokens, ElementsAre(0, 1, 2, 1));
  EXPECT_THAT(choice.weights, ElementsAre(0.9F, 0.8F, 0.7F, 0.2F));
  EXPECT_THAT(choice.routing.idx, ElementsAre(0, -1, 0, 1, 1, -1));
  EXPECT_THAT(choice.routing.weights, ElementsAre(0.9F, 0, 0.8F, 0.2F, 0.7F, 0));
  EXPECT_EQ(choice.most_choices, 2U);
  EXPECT_EQ(choice.num_given_up, 0U);
  terms.top_k = 1;
  choice = expert_choice(table.scores(), terms);
  EXPECT_THAT(choice.tokens, ElementsAre(0, 1, 2, -1)) << "token 1 gives its weaker expert up, in both views";
  EXPECT_THAT(choice.weights, ElementsAre(0.9F, 0.8F, 0.7F, 0));
  EXPECT_THAT(choice.routing.idx, ElementsAre(0, 0, 1));
  EXPECT_EQ(choice.most_choices, 2U);
  EXPECT_EQ(choice.num_given_up, 1U);
}

TEST(ExpertChoice, AnyScoresThenEachExpertHasItsBestAndBothViewsAgree) {
  EXPECT_TRUE(rc::check([](unsigned seed) {
    const auto table = seed % 2 == 0 ? random_table(15, 6, seed) : tied_table(15, 6, seed);
    const auto capacity = *rc::gen::inRange<size_t>(1, 16);
    const auto top_k = *rc::gen::inRange<size_t>(1, 7);
    const auto choice =
        expert_choice(table.scores(), {.capacity = capacity, .top_k = top_k, .activation = Activation::kSigmoid});
    std::set<std::pair<int64_t, int64_t>> by_expert;
    size_t given_up = 0;
    for (size_t expert = 0; expert < 6; ++expert) {
      std::vector<std::pair<float, int64_t>> column;
      for (size_t token = 0; token < 15; ++token) {
        column.emplace_back(-table.values[token * 6 + expert], static_cast<int64_t>(token));
      }
      std::sort(column.begin(), column.end());
      for (size_t slot = 0; slot < capacity; ++slot) {
        const int64_t token = choice.tokens[expert * capacity + slot];
        RC_ASSERT(token == -1 || token == column[slot].second);
        if (token >= 0) {
          by_expert.emplace(token, static_cast<int64_t>(expert));
        } else {
          ++given_up;
        }
      }
    }
    RC_ASSERT(given_up == choice.num_given_up);
    RC_ASSERT((given_up == 0) == (choice.most_choices <= top_k));
    std::set<std::pair<int64_t, int64_t>> by_token;
    for (size_t at = 0; at < choice.routing.idx.size(); ++at) {
      if (choice.routing.idx[at] >= 0) {
        by_token.emplace(static_cast<int64_t>(at / top_k), choice.routing.idx[at]);
      }
    }
    RC_ASSERT(by_token == by_expert);
  }));
}

TEST(ExpertChoice, BadInputThenNamesIt) {
  const auto table = random_table(3, 2, 1);
  expect_error([&] { return expert_choice(table.scores(), {.capacity = 4}); },
               "options.capacity is 4, must be between 1 and 3");
  expect_error([&] { return expert_choice(table.scores(), {.capacity = 0}); }, "options.capacity is 0");
  expect_error([&] { return expert_choice(table.scores(), {.top_k = 3}); }, "options.top_k is 3");
  expect_error([&] { return expert_choice(table.scores(), {.activation = Activation::kSoftmaxOfChosen}); },
               "options.activation");
  EXPECT_TRUE(expert_choice(scores_of(nullptr, 0, 2), {.capacity = 0}).tokens.empty());
}

TEST(DenseToSparse, StepsThenTheTemperatureFallsGeometrically) {
  DenseToSparseTerms terms{.start_temperature = 2, .end_temperature = 0.5, .anneal_steps = 10};
  EXPECT_NEAR(temperature_of(terms), 2, 1e-15);
  terms.step = 5;
  EXPECT_NEAR(temperature_of(terms), 1, 1e-15);
  terms.step = 10;
  EXPECT_DOUBLE_EQ(temperature_of(terms), 0.5);
  terms.step = 1000;
  EXPECT_DOUBLE_EQ(temperature_of(terms), 0.5);
}

TEST(DenseToSparse, StepsThenFewerExpertsUntilOneIsLeft) {
  const auto table = random_table(50, 8, 3);
  size_t before = 8;
  std::vector<size_t> seen;
  for (size_t step = 0; step <= 100; step += 10) {
    const auto result = dense_to_sparse(table.scores(), {.top_k = 8,
                                                         .start_temperature = 100,
                                                         .end_temperature = 1e-3,
                                                         .anneal_steps = 100,
                                                         .step = step,
                                                         .threshold = 0.1,
                                                         .noisy = false});
    EXPECT_LE(result.used_k, before);
    before = result.used_k;
    seen.push_back(before);
    for (size_t token = 0; token < 50; ++token) {
      for (size_t choice = result.used_k; choice < 8; ++choice) {
        EXPECT_EQ(result.routing.idx[token * 8 + choice], -1);
      }
    }
  }
  EXPECT_EQ(seen.front(), 8U);
  EXPECT_EQ(seen.back(), 1U);
  EXPECT_GT(std::set<size_t>(seen.begin(), seen.end()).size(), 3U);
}

TEST(DenseToSparse, ThresholdAboveAllWeightsThenTheBestStays) {
  const auto table = table_of(4, {1, 1, 1, 1});
  const DenseToSparseTerms terms{.top_k = 4, .end_temperature = 1, .threshold = 0.9, .noisy = false};
  EXPECT_THAT(dense_to_sparse(table.scores(), terms).routing.idx, ElementsAre(0, -1, -1, -1));
  EXPECT_THAT(dense_to_sparse(table.scores(), terms).routing.weights, ElementsAre(0.25F, 0, 0, 0));
}

TEST(DenseToSparse, ExtremeTemperaturesThenWeightsAreNumbers) {
  const auto table = table_of(3, {1e30F, -1e30F, 9e29F});
  const DenseToSparseTerms cold{.top_k = 3, .start_temperature = 1e300, .end_temperature = 1e-300, .noisy = false};
  EXPECT_THAT(dense_to_sparse(table.scores(), cold).routing.weights, ElementsAre(1, 0, 0));
  DenseToSparseTerms between = cold;
  between.anneal_steps = 2;
  between.step = 1;
  EXPECT_NEAR(temperature_of(between), 1, 1e-9);
}

TEST(DenseToSparse, RenormalisedThenWeightsOfATokenSumToOne) {
  const auto table = random_table(40, 6, 9);
  const auto routing =
      dense_to_sparse(table.scores(), {.top_k = 3, .threshold = 0.05, .renormalize = true, .seed = 5}).routing;
  for (size_t token = 0; token < 40; ++token) {
    EXPECT_NEAR(routing.weights[3 * token] + routing.weights[3 * token + 1] + routing.weights[3 * token + 2], 1, 1e-6);
  }
}

/// The best expert after Gumbel noise is drawn from the softmax of the scores, at any temperature.
TEST(DenseToSparse, NoiseThenTheBestIsDrawnFromTheSoftmax) {
  constexpr size_t kTokens = 20000;
  std::vector<float> values;
  for (size_t token = 0; token < kTokens; ++token) {
    values.insert(values.end(), {std::log(6.0F), std::log(3.0F), std::log(1.0F)});
  }
  const auto table = table_of(3, values);
  const auto routing = dense_to_sparse(table.scores(), {.top_k = 1, .end_temperature = 5, .seed = 2}).routing;
  std::vector<double> shares(3, 0);
  for (const int64_t expert : routing.idx) {
    shares[static_cast<size_t>(expert)] += 1.0 / kTokens;
  }
  EXPECT_NEAR(shares[0], 0.6, 0.02);
  EXPECT_NEAR(shares[1], 0.3, 0.02);
  EXPECT_NEAR(shares[2], 0.1, 0.02);
}

TEST(DenseToSparse, BadInputThenNamesIt) {
  const auto table = random_table(3, 2, 1);
  expect_error([&] { return dense_to_sparse(table.scores(), {.start_temperature = 0}); }, "options.start_temperature");
  expect_error([&] { return dense_to_sparse(table.scores(), {.end_temperature = NAN}); }, "options.end_temperature");
  expect_error([&] { return dense_to_sparse(table.scores(), {.threshold = 1.5}); }, "options.threshold is 1.5");
  expect_error([&] { return dense_to_sparse(table.scores(), {.top_k = 3}); }, "options.top_k is 3");
}

bool leaves(const Routing& routing, size_t token, const std::vector<unsigned char>& is_local) {
  for (size_t at = token * routing.top_k; at < (token + 1) * routing.top_k; ++at) {
    if (routing.idx[at] >= 0 && is_local[static_cast<size_t>(routing.idx[at])] == 0) {
      return true;
    }
  }
  return false;
}

TEST(TopologyGate, AnyLimitThenAHardOneAndTheBestStay) {
  EXPECT_TRUE(rc::check([](unsigned seed) {
    const auto table = random_table(30, 6, seed);
    const auto top_k = *rc::gen::inRange<size_t>(1, 4);
    const auto limit = *rc::gen::inRange<size_t>(0, 31);
    const std::vector<unsigned char> is_local = {1, 0, 0, 1, 0, 1};
    const auto free = topk(table.scores(), {.top_k = top_k});
    const auto limited = limit_leaving(table.scores(), {.is_local = is_local, .limit = limit, .top_k = top_k});
    size_t wanted = 0;
    size_t leaving = 0;
    double weakest_kept = 2;
    double strongest_lost = -1;
    for (size_t token = 0; token < 30; ++token) {
      const bool wants = leaves(free, token, is_local);
      const bool does = leaves(limited.routing, token, is_local);
      wanted += wants ? 1 : 0;
      leaving += does ? 1 : 0;
      RC_ASSERT(wants || !does);
      double best = 0;
      for (size_t at = token * top_k; at < (token + 1) * top_k; ++at) {
        RC_ASSERT(wants != does || limited.routing.idx[at] == free.idx[at]);
        best = is_local[static_cast<size_t>(free.idx[at])] == 0 ? std::max(best, double{free.weights[at]}) : best;
      }
      weakest_kept = does ? std::min(weakest_kept, best) : weakest_kept;
      strongest_lost = wants && !does ? std::max(strongest_lost, best) : strongest_lost;
    }
    RC_ASSERT(leaving == std::min(wanted, limit));
    RC_ASSERT(limited.num_leaving == leaving);
    RC_ASSERT(weakest_kept >= strongest_lost);
  }));
}

/// FastMoE's faster_gate.py looks at first choices only, so that second ones leave without limit.
TEST(TopologyGate, OnlySecondChoicesLeaveThenTheyAreLimitedToo) {
  const auto table = table_of(3, {3, 2, 1, 3, 2, 1, 3, 2, 1});
  const std::vector<unsigned char> is_local = {1, 0, 1};
  const auto limited = limit_leaving(table.scores(), {.is_local = is_local, .limit = 1, .top_k = 2});
  EXPECT_THAT(limited.routing.idx, ElementsAre(0, 1, 0, 2, 0, 2));
}

TEST(TopologyGate, FewerLocalExpertsThanChoicesThenTheRestIsAbsent) {
  const auto table = table_of(3, {1, 2, 3});
  const std::vector<unsigned char> is_local = {1, 0, 0};
  const auto limited =
      limit_leaving(table.scores(), {.is_local = is_local, .limit = 0, .top_k = 2, .renormalize = true});
  EXPECT_THAT(limited.routing.idx, ElementsAre(0, -1));
  EXPECT_THAT(limited.routing.weights, ElementsAre(1, 0));
  const std::vector<unsigned char> nowhere = {0, 0, 0};
  expect_error([&] { return limit_leaving(table.scores(), {.is_local = nowhere, .limit = 0}); },
               "options.is_local names no local expert");
  EXPECT_EQ(limit_leaving(table.scores(), {.is_local = nowhere, .limit = 1}).num_leaving, 1U);
}

/// Table E4 of FasterMoE's clusters: 50 Gb/s outside, 88 Gb/s inside.
TEST(OutgoingShare, FasterMoEsClustersThenItsFigures) {
  EXPECT_NEAR(outgoing_share(50e9 / 8, 88e9 / 8, 4).first_order, 0.142, 5e-4);
  EXPECT_NEAR(outgoing_share(50e9 / 8, 88e9 / 8, 8).first_order, 0.071, 5e-4);
  EXPECT_NEAR(outgoing_share(50e9 / 8, 88e9 / 8, 4).link_sum, 0.124, 5e-4);
  EXPECT_NEAR(outgoing_share(50e9 / 8, 88e9 / 8, 8).link_sum, 0.066, 5e-4);
  EXPECT_EQ(outgoing_share(1e12, 1, 1).first_order, 1);
  EXPECT_DOUBLE_EQ(outgoing_share(1, 1e30, 8).link_sum, 1.25e-31);
  expect_error([] { return outgoing_share(0, 1, 1); }, "net_bytes_per_s is 0");
  expect_error([] { return outgoing_share(1, NAN, 1); }, "local_bytes_per_s is nan");
  expect_error([] { return outgoing_share(1, 1, 0); }, "ranks_per_node is 0");
}

/// The link-sum share is where links inside and outside are done at once.
TEST(OutgoingShare, LinkSumThenBothKindsOfLinkTakeEquallyLong) {
  const double share = outgoing_share(3e9, 11e9, 5).link_sum;
  EXPECT_NEAR(5 * share / 3e9, (1 - share) / 11e9, 1e-20);
}

}  // namespace
}  // namespace banyan::moe::gate
