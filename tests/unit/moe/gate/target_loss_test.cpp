// SPDX-License-Identifier: Apache-2.0
// TA-MoE's loss: what its weights must be, and where it leads.
#include <cmath>
#include <numeric>

#include "gate_test.hpp"
#include "moe/gate/loss.hpp"
#include "moe/gate/topk.hpp"

namespace banyan::moe::gate {
namespace {

using ::testing::Each;

TEST(TargetWeights, AnyTargetThenInverselyProportionalOfMeanOneAtAnyScale) {
  EXPECT_TRUE(rc::check([] {
    const auto raw = *rc::gen::nonEmpty(rc::gen::container<std::vector<int>>(rc::gen::inRange(1, 10000)));
    const std::vector<double> target(raw.begin(), raw.end());
    const auto weights = target_weights(target);
    RC_ASSERT(std::abs(std::accumulate(weights.begin(), weights.end(), 0.0) / static_cast<double>(weights.size()) - 1) <
              1e-12);
    for (const double scale : {1e-300, 1e-9, 3.0, 1e300}) {
      std::vector<double> scaled = target;
      for (double& value : scaled) {
        value *= scale;
      }
      const auto again = target_weights(scaled);
      for (size_t expert = 0; expert < target.size(); ++expert) {
        RC_ASSERT(std::abs(again[expert] / weights[expert] - 1) < 1e-12);
        RC_ASSERT(std::abs(weights[expert] * target[expert] / (weights[0] * target[0]) - 1) < 1e-12);
      }
    }
  }));
}

/// A softmax of 1 / target would give 1097 and, after * 0.1, 2 for this ratio of 8 (A4 of the reference).
TEST(TargetWeights, TreeOfTwoNodesThenTheRatioOfItsSpeeds) {
  std::vector<double> target(16, 113.8);
  std::fill(target.begin() + 8, target.end(), 113.8 / 8);
  const auto weights = target_weights(target);
  EXPECT_NEAR(weights[15] / weights[0], 8, 1e-12);
  EXPECT_NEAR(weights[0] / 16, 0.0139, 5e-5);
  EXPECT_NEAR(weights[15] / 16, 0.1111, 5e-5);
}

TEST(TopologyLoss, UniformTargetThenThePlainLossToTheBit) {
  for (const size_t experts : {1U, 3U, 6U, 7U, 10U, 49U, 64U}) {
    for (const double share : {1.0, 0.1, 1024.0 / 3, 1e-310}) {
      const auto table = random_table(20, experts, 5);
      const std::vector<double> scores(table.values.begin(), table.values.end());
      const auto idx = topk(table.scores(), {}).idx;
      const std::vector<double> target(experts, share);
      LossTerms terms{.scores = scores, .num_tokens = 20, .num_experts = experts, .topk_idx = idx, .target = target};
      const auto plain = loss_of(terms);
      terms.kind = LossKind::kTopology;
      const auto topology = loss_of(terms);
      EXPECT_EQ(plain.value, topology.value) << experts << " experts, " << share;
      EXPECT_EQ(plain.gradient, topology.gradient) << experts << " experts, " << share;
    }
  }
}

/// A gate without input: one vector of logits for all tokens, and tokens drawn from its softmax, evenly spaced in the
/// distribution so that no luck is involved. Then choices follow the probabilities, as the method supposes.
std::vector<double> trained_dispatch(const std::vector<double>& target, int steps) {
  constexpr size_t kTokens = 600;
  const size_t experts = target.size();
  std::vector<double> logits(experts, 0.0);
  std::vector<double> shares(experts);
  for (int step = 0; step < steps; ++step) {
    std::vector<double> p = logits;
    softmax(p);
    std::vector<double> scores;
    std::vector<int64_t> idx;
    std::fill(shares.begin(), shares.end(), 0.0);
    size_t expert = 0;
    double below = 0;
    for (size_t token = 0; token < kTokens; ++token) {
      while (expert + 1 < experts && (static_cast<double>(token) + 0.5) / kTokens > below + p[expert]) {
        below += p[expert++];
      }
      idx.push_back(static_cast<int64_t>(expert));
      shares[expert] += 1.0 / kTokens;
      scores.insert(scores.end(), logits.begin(), logits.end());
    }
    const auto loss = loss_of({.kind = LossKind::kTopology,
                               .scores = scores,
                               .num_tokens = kTokens,
                               .num_experts = experts,
                               .topk_idx = idx,
                               .target = target});
    for (size_t at = 0; at < loss.gradient.size(); ++at) {
      logits[at % experts] -= 2 * loss.gradient[at];
    }
  }
  return shares;
}

/// Row 0 of the tree [[2,2],[2]] with beta 1, 4, 8 (table E11): 372.4 372.4 93.1 93.1 46.5 46.5 of 1024.
const std::vector<double> kBeta = {1, 1, 4, 4, 8, 8};

TEST(TopologyLoss, GradientDescentThenTheDispatchIsTheTarget) {
  std::vector<double> target;
  for (const double beta : kBeta) {
    target.push_back(1024 / beta / 2.75);
  }
  EXPECT_NEAR(target[0], 372.4, 0.05);
  const auto shares = trained_dispatch(target, 600);
  for (size_t expert = 0; expert < target.size(); ++expert) {
    EXPECT_NEAR(shares[expert], target[expert] / 1024, 0.01) << expert;
  }
  EXPECT_THAT(trained_dispatch(std::vector<double>(6, 1.0), 600), Each(::testing::DoubleNear(1.0 / 6, 0.01)));
}

/// The released code of TA-MoE normalises by softmax; that is the loss of another target, exp(-beta) (A4.2).
TEST(TopologyLoss, GradientDescentWithSoftmaxWeightsThenTheDispatchIsNotTheTarget) {
  auto weights = kBeta;
  softmax(weights);
  std::vector<double> implied;
  for (const double weight : weights) {
    implied.push_back(1 / weight);
  }
  const auto by_softmax = target_weights(implied);
  for (size_t expert = 0; expert < weights.size(); ++expert) {
    EXPECT_NEAR(by_softmax[expert] / 6, weights[expert], 1e-12) << "these are the softmax's weights";
  }
  const auto shares = trained_dispatch(implied, 600);
  EXPECT_GT(shares[0], 1 / 2.75 + 0.09);  // target 0.364, fixed point 0.475
  EXPECT_LT(shares[2], 0.25 / 2.75 / 2);  // target 0.091, fixed point 0.024
}

}  // namespace
}  // namespace banyan::moe::gate
