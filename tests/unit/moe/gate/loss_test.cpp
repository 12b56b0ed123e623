// SPDX-License-Identifier: Apache-2.0
#include "moe/gate/loss.hpp"

#include <cmath>
#include <numeric>

#include "gate_test.hpp"
#include "moe/gate/topk.hpp"

namespace banyan::moe::gate {
namespace {

/// A loss with the memory that its terms borrow.
struct Problem {
  std::vector<double> scores;
  std::vector<int64_t> idx;
  std::vector<float> noise;
  std::vector<double> target;
  LossTerms terms;

  Problem(size_t tokens, size_t experts, size_t k, unsigned seed) {
    const auto table = random_table(tokens, experts, seed);
    scores.assign(table.values.begin(), table.values.end());
    idx = topk(table.scores(), {.top_k = k}).idx;
    noise = random_table(tokens, experts, seed + 1, 0.7F).values;
    for (size_t expert = 0; expert < experts; ++expert) {
      target.push_back(1 + static_cast<double>(expert * expert));
    }
    terms.num_tokens = tokens;
    terms.num_experts = experts;
    terms.top_k = k;
  }

  /// The terms with all spans at where the vectors are now.
  LossTerms& bound() {
    terms.scores = scores;
    terms.topk_idx = idx;
    terms.noise = noise;
    terms.target = target;
    return terms;
  }
};

/// The gradient against central differences, in double; choices stay as they are.
void expect_gradient(Problem& problem, const std::string& what) {
  const auto loss = loss_of(problem.bound());
  ASSERT_EQ(loss.gradient.size(), problem.scores.size());
  EXPECT_NE(loss.value, 0) << what;
  double largest = 0;
  for (size_t at = 0; at < problem.scores.size(); ++at) {
    constexpr double kStep = 1e-5;
    const double kept = problem.scores[at];
    problem.scores[at] = kept + kStep;
    const double above = loss_of(problem.bound()).value;
    problem.scores[at] = kept - kStep;
    const double below = loss_of(problem.bound()).value;
    problem.scores[at] = kept;
    EXPECT_NEAR(loss.gradient[at], (above - below) / (2 * kStep), 1e-8) << what << ", element " << at;
    largest = std::max(largest, std::abs(loss.gradient[at]));
  }
  EXPECT_GT(largest, 1e-4) << what << ": a gradient of zeros would pass";
}

TEST(LossGradient, BalanceAndTopologyThenAsFiniteDifferences) {
  for (const auto activation : {Activation::kSoftmax, Activation::kSigmoid, Activation::kIdentity}) {
    for (const bool first_only : {false, true}) {
      for (const auto kind : {LossKind::kBalance, LossKind::kTopology}) {
        Problem problem(11, 5, 2, 3);
        problem.terms.kind = kind;
        problem.terms.activation = activation;
        problem.terms.first_choice_only = first_only;
        problem.idx[4] = -1;
        expect_gradient(problem, "kind " + std::to_string(static_cast<int>(kind)));
      }
    }
  }
}

TEST(LossGradient, ImportanceThenAsFiniteDifferences) {
  for (const auto activation : {Activation::kSoftmax, Activation::kSigmoid, Activation::kIdentity}) {
    for (const bool unbiased : {false, true}) {
      Problem problem(11, 5, 2, 4);
      problem.terms.kind = LossKind::kImportance;
      problem.terms.activation = activation;
      problem.terms.unbiased = unbiased;
      if (activation == Activation::kIdentity) {
        for (double& score : problem.scores) {
          score = std::exp(score);
        }
      }
      expect_gradient(problem, "importance");
    }
  }
}

TEST(LossGradient, LoadThenAsFiniteDifferencesThroughTheThresholdsToo) {
  for (const auto kind : {LossKind::kLoad, LossKind::kLoadImportance}) {
    for (const bool shared : {false, true}) {
      for (const size_t k : {size_t{1}, size_t{2}, size_t{4}}) {
        Problem problem(9, 5, k, 6);
        problem.terms.kind = kind;
        problem.terms.shared_threshold = shared;
        problem.terms.unbiased = shared;
        problem.terms.noise_std = 0.7;
        expect_gradient(problem, "load, top " + std::to_string(k));
      }
    }
  }
}

TEST(LossGradient, ZAndAlignmentThenAsFiniteDifferences) {
  Problem z(7, 6, 1, 8);
  z.terms.kind = LossKind::kZ;
  expect_gradient(z, "z");
  Problem alignment(12, 6, 2, 9);
  alignment.terms.kind = LossKind::kAlignment;
  alignment.terms.num_groups = 3;
  std::vector<float> values(alignment.scores.begin(), alignment.scores.end());
  alignment.idx = topk(table_of(6, values).scores(),
                       {.top_k = 2, .num_groups = 3, .top_groups = 1, .group_score = GroupScore::kSum})
                      .idx;
  alignment.idx[3] = -1;
  expect_gradient(alignment, "alignment");
}

TEST(LossValue, BalanceByHandThenAsSwitchAndTutelSay) {
  Problem problem(1, 2, 1, 1);
  problem.scores = {std::log(3.0), 0, 0, 0};
  problem.idx = {0, 0};
  problem.terms.num_tokens = 2;
  EXPECT_NEAR(loss_of(problem.bound()).value, 2 * 1 * (0.75 + 0.5) / 2, 1e-15);  // E f_0 P_0
  Problem random(50, 6, 2, 2);
  random.terms.first_choice_only = true;
  const auto p = probabilities_of(random.bound());
  double tutel = 0;  // gshard_loss: sum_e (sum_t p) (count E / T) / T
  for (size_t token = 0; token < 50; ++token) {
    for (size_t other = 0; other < 50; ++other) {
      tutel += p[other * 6 + static_cast<size_t>(random.idx[2 * token])] * 6.0 / 50 / 50;
    }
  }
  EXPECT_NEAR(loss_of(random.bound()).value, tutel, 1e-12);
}

TEST(LossValue, EvenChoicesThenBalanceIsOneAndVariationsAreZero) {
  Problem problem(1, 4, 1, 1);
  problem.scores.assign(16, 0.25);
  problem.idx = {0, 1, 2, 3};
  problem.noise.assign(16, 0.0F);
  problem.terms.num_tokens = 4;
  EXPECT_DOUBLE_EQ(loss_of(problem.bound()).value, 1);
  problem.terms.kind = LossKind::kImportance;
  EXPECT_NEAR(loss_of(problem.bound()).value, 0, 1e-30);
  problem.terms.kind = LossKind::kLoad;
  problem.terms.noise_std = 1;
  EXPECT_NEAR(loss_of(problem.bound()).value, 0, 1e-30);
}

TEST(LossValue, ImportanceByHand) {
  Problem problem(1, 2, 1, 1);
  problem.scores = {0.9, 0.1, 0.7, 0.3};
  problem.terms.num_tokens = 2;
  problem.terms.kind = LossKind::kImportance;
  problem.terms.activation = Activation::kIdentity;
  EXPECT_NEAR(loss_of(problem.bound()).value, 0.36, 1e-15);  // 1.6 and 0.4: 0.36 / 1
  problem.terms.unbiased = true;
  EXPECT_NEAR(loss_of(problem.bound()).value, 0.72, 1e-15);
}

/// Without noise of its own: the probability that the token still has the expert among its top k under fresh noise.
TEST(LossValue, LoadByHand) {
  Problem problem(1, 3, 1, 1);
  problem.scores = {2, 1, 0};
  problem.noise.clear();
  problem.terms.kind = LossKind::kLoad;
  problem.terms.noise_std = 1;
  const auto phi = [](double x) { return 0.5 * (1 + std::erf(x / std::sqrt(2.0))); };
  const std::vector<double> loads = {phi(2 - 1), phi(1 - 2), phi(0 - 2)};
  const double mean = (loads[0] + loads[1] + loads[2]) / 3;
  double variance = 0;
  for (const double load : loads) {
    variance += (load - mean) * (load - mean) / 3;
  }
  EXPECT_NEAR(loss_of(problem.bound()).value, variance / (mean * mean), 1e-12);
  problem.terms.shared_threshold = true;
  const std::vector<double> shared = {phi(0), phi(-1), phi(-2)};
  const double shared_mean = (shared[0] + shared[1] + shared[2]) / 3;
  double shared_variance = 0;
  for (const double load : shared) {
    shared_variance += (load - shared_mean) * (load - shared_mean) / 3;
  }
  EXPECT_NEAR(loss_of(problem.bound()).value, shared_variance / (shared_mean * shared_mean), 1e-12);
}

TEST(LossValue, LoadImportanceThenHalfOfEach) {
  Problem problem(9, 5, 2, 6);
  problem.terms.noise_std = 0.7;
  problem.terms.kind = LossKind::kLoad;
  const double load = loss_of(problem.bound()).value;
  problem.terms.kind = LossKind::kImportance;
  const double importance = loss_of(problem.bound()).value;
  problem.terms.kind = LossKind::kLoadImportance;
  EXPECT_DOUBLE_EQ(loss_of(problem.bound()).value, (load + importance) / 2);
}

TEST(LossValue, ZThenTheMeanSquareOfTheLogSumAndNoOverflow) {
  Problem problem(1, 2, 1, 1);
  problem.scores = {0, 0, 1000, 1000};
  problem.terms.num_tokens = 2;
  problem.terms.kind = LossKind::kZ;
  const double a = std::log(2.0);
  const double b = 1000 + std::log(2.0);
  EXPECT_NEAR(loss_of(problem.bound()).value, (a * a + b * b) / 2, 1e-9);
}

TEST(LossValue, AlignmentByHand) {
  Problem problem(1, 4, 2, 1);
  problem.scores = {0.3, 0.1, 0.4, 0.2};
  problem.idx = {0, 1};
  problem.terms.kind = LossKind::kAlignment;
  problem.terms.activation = Activation::kIdentity;
  problem.terms.num_groups = 2;
  EXPECT_NEAR(loss_of(problem.bound()).value, 0.3 + 0.1, 1e-15);
  problem.idx = {-1, -1};
  EXPECT_EQ(loss_of(problem.bound()).value, 0);
  problem.idx = {0, 2};
  expect_error([&] { return loss_of(problem.bound()); }, "options.topk_idx[0, 1] (token, choice) is 2 of group 1");
}

TEST(LossOf, NoTokensThenZero) {
  for (int kind = 0; kind <= static_cast<int>(LossKind::kAlignment); ++kind) {
    const std::vector<double> target(4, 1.0);
    LossTerms terms{.kind = static_cast<LossKind>(kind), .num_experts = 4, .target = target, .noise_std = 1};
    EXPECT_EQ(loss_of(terms).value, 0) << kind;
    EXPECT_TRUE(loss_of(terms).gradient.empty());
  }
}

TEST(LossOf, BadInputThenNamesIt) {
  const auto expect = [](const std::string& text, const auto& change) {
    Problem problem(4, 4, 2, 1);
    problem.terms.kind = LossKind::kBalance;
    problem.terms.noise_std = 1;
    problem.bound();
    change(problem);
    expect_error([&] { return loss_of(problem.terms); }, text);
  };
  expect("options.topk_idx is NULL", [](Problem& p) { p.terms.topk_idx = {}; });
  expect("topk_idx[1, 0] (token, choice) is 9", [](Problem& p) { p.idx[2] = 9; });
  expect("options.top_k is 5", [](Problem& p) { p.terms.top_k = 5; });
  expect("options.activation is BANYAN_GATE_SOFTMAX_OF_CHOSEN",
         [](Problem& p) { p.terms.activation = Activation::kSoftmaxOfChosen; });
  expect("options.target is NULL", [](Problem& p) {
    p.terms.kind = LossKind::kTopology;
    p.terms.target = {};
  });
  for (const double bad : {0.0, -1.0, static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
    expect("options.target[2] is ", [bad](Problem& p) {
      p.terms.kind = LossKind::kTopology;
      p.target[2] = bad;
    });
  }
  expect("options.noise_std is 0", [](Problem& p) {
    p.terms.kind = LossKind::kLoad;
    p.terms.noise_std = 0;
  });
  expect("options.top_k is 4, must be between 1 and 3", [](Problem& p) {
    p.terms.kind = LossKind::kLoad;
    p.terms.top_k = 4;
  });
  expect("options.noise[1, 1] (token, expert) is nan", [](Problem& p) {
    p.terms.kind = LossKind::kLoad;
    p.noise[5] = NAN;
  });
  expect("options.num_groups is 3", [](Problem& p) {
    p.terms.kind = LossKind::kAlignment;
    p.terms.num_groups = 3;
  });
}

}  // namespace
}  // namespace banyan::moe::gate
