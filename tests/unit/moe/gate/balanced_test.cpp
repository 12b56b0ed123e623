// SPDX-License-Identifier: Apache-2.0
#include "moe/gate/balanced.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "gate_test.hpp"

namespace banyan::moe::gate {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();

/// Tokens of each expert.
std::vector<size_t> loads_of(const std::vector<int64_t>& idx, size_t num_experts) {
  std::vector<size_t> loads(num_experts, 0);
  for (const int64_t expert : idx) {
    ++loads[static_cast<size_t>(expert)];
  }
  return loads;
}

bool is_balanced(const std::vector<int64_t>& idx, size_t num_experts) {
  const auto loads = loads_of(idx, num_experts);
  return *std::max_element(loads.begin(), loads.end()) - *std::min_element(loads.begin(), loads.end()) <= 1;
}

/// The best of all assignments, one by one.
double brute_force(const Table& table) {
  std::vector<int64_t> idx(table.num_tokens(), 0);
  double best = -kInfinite;
  for (;;) {
    if (is_balanced(idx, table.num_experts)) {
      double sum = 0;
      for (size_t token = 0; token < idx.size(); ++token) {
        sum += table.values[token * table.num_experts + static_cast<size_t>(idx[token])];
      }
      best = std::max(best, sum);
    }
    size_t digit = 0;
    while (digit < idx.size() && ++idx[digit] == static_cast<int64_t>(table.num_experts)) {
      idx[digit++] = 0;
    }
    if (digit == idx.size()) {
      return best;
    }
  }
}

/// The Hungarian method for a square matrix of costs (Kuhn, Munkres; rows added one by one): the least sum.
double hungarian(const std::vector<std::vector<double>>& cost) {
  const size_t n = cost.size();
  std::vector<double> u(n + 1, 0.0);
  std::vector<double> v(n + 1, 0.0);
  std::vector<size_t> row_of(n + 1, 0);
  for (size_t row = 1; row <= n; ++row) {
    std::vector<double> slack(n + 1, kInfinite);
    std::vector<size_t> way(n + 1, 0);
    std::vector<bool> used(n + 1, false);
    row_of[0] = row;
    size_t column = 0;
    do {
      used[column] = true;
      double delta = kInfinite;
      size_t next = 0;
      for (size_t j = 1; j <= n; ++j) {
        if (used[j]) {
          continue;
        }
        const double reduced = cost[row_of[column] - 1][j - 1] - u[row_of[column]] - v[j];
        if (reduced < slack[j]) {
          slack[j] = reduced;
          way[j] = column;
        }
        if (slack[j] < delta) {
          delta = slack[j];
          next = j;
        }
      }
      for (size_t j = 0; j <= n; ++j) {
        if (used[j]) {
          u[row_of[j]] += delta;
          v[j] -= delta;
        } else {
          slack[j] -= delta;
        }
      }
      column = next;
    } while (row_of[column] != 0);
    for (; column != 0; column = way[column]) {
      row_of[column] = row_of[way[column]];
    }
  }
  double sum = 0;
  for (size_t j = 1; j <= n; ++j) {
    sum += cost[row_of[j] - 1][j - 1];
  }
  return sum;
}

/// As a square problem: each expert has floor(T / E) places that need a token and one that may have a dummy.
double best_by_hungarian(const Table& table) {
  const size_t tokens = table.num_tokens();
  const size_t experts = table.num_experts;
  const size_t places = tokens / experts;
  const size_t n = (places + 1) * experts;
  std::vector<std::vector<double>> cost(n, std::vector<double>(n, 0.0));
  for (size_t row = 0; row < n; ++row) {
    for (size_t column = 0; column < n; ++column) {
      const size_t expert = column % experts;
      if (row < tokens) {
        cost[row][column] = -double{table.values[row * experts + expert]};
      } else if (column < places * experts) {
        cost[row][column] = 1e9;
      }
    }
  }
  return -hungarian(cost);
}

double sum_of(const Table& table, const std::vector<int64_t>& idx) {
  double sum = 0;
  for (size_t token = 0; token < idx.size(); ++token) {
    sum += table.values[token * table.num_experts + static_cast<size_t>(idx[token])];
  }
  return sum;
}

TEST(Balanced, SmallThenAsGoodAsTheBestOfAll) {
  EXPECT_TRUE(rc::check([](unsigned seed) {
    const auto tokens = *rc::gen::inRange<size_t>(1, 8);
    const auto experts = *rc::gen::inRange<size_t>(1, 5);
    const auto table = seed % 2 == 0 ? random_table(tokens, experts, seed) : tied_table(tokens, experts, seed);
    const auto result = balanced(table.scores());
    RC_ASSERT(is_balanced(result.routing.idx, experts));
    const double best = brute_force(table);
    RC_ASSERT(std::abs(result.total - best) < 1e-9);
    RC_ASSERT(result.gap < 1e-9);
    RC_ASSERT(result.total + result.gap >= best - 1e-12);
    RC_ASSERT(std::abs(result.total - sum_of(table, result.routing.idx)) < 1e-9);
  }));
}

TEST(Balanced, LargerThenAsGoodAsTheHungarianMethod) {
  for (const auto& [tokens, experts] : {std::pair{64, 8}, {60, 7}, {96, 16}, {41, 40}, {39, 40}, {90, 2}, {5, 1}}) {
    for (const unsigned seed : {1U, 2U, 3U}) {
      const auto table = seed == 3 ? tied_table(tokens, experts, seed) : random_table(tokens, experts, seed);
      const auto result = balanced(table.scores());
      EXPECT_TRUE(is_balanced(result.routing.idx, experts));
      EXPECT_NEAR(result.total, best_by_hungarian(table), 1e-6) << tokens << " tokens, " << experts << " experts";
    }
  }
}

/// All want the same expert: those who lose least by it go elsewhere.
TEST(Balanced, OnePopularExpertThenTheOthersFillUp) {
  auto table = random_table(80, 8, 4, 1);
  for (size_t at = 3; at < table.values.size(); at += 8) {
    table.values[at] += 100;
  }
  const auto result = balanced(table.scores());
  EXPECT_THAT(loads_of(result.routing.idx, 8), ::testing::Each(10U));
  EXPECT_NEAR(result.total, best_by_hungarian(table), 1e-6);
}

TEST(Balanced, ScoresOfAllMagnitudesThenBalancedAndExact) {
  auto table = random_table(48, 6, 8, 1);
  for (size_t at = 0; at < table.values.size(); ++at) {
    table.values[at] *= std::pow(10.0F, static_cast<float>(at % 13) - 6);
  }
  const auto result = balanced(table.scores());
  EXPECT_THAT(loads_of(result.routing.idx, 6), ::testing::Each(8U));
  EXPECT_NEAR(result.total, best_by_hungarian(table), 1e-6);
  for (float& value : table.values) {
    value = value > 0 ? std::numeric_limits<float>::max() : std::numeric_limits<float>::lowest();
  }
  EXPECT_THAT(loads_of(balanced(table.scores()).routing.idx, 6), ::testing::Each(8U));
}

TEST(Balanced, EqualScoresThenBalancedAndTheSameEachTime) {
  const auto table = table_of(4, std::vector<float>(4 * 10, 1.0F));
  const auto first = balanced(table.scores()).routing.idx;
  EXPECT_TRUE(is_balanced(first, 4));
  EXPECT_EQ(first, balanced(table.scores()).routing.idx);
}

TEST(Balanced, ThousandsOfTokensThenOptimalByItsDual) {
  const auto table = random_table(1024, 32, 12);
  const auto result = balanced(table.scores());
  EXPECT_THAT(loads_of(result.routing.idx, 32), ::testing::Each(32U));
  EXPECT_LT(result.gap, 1e-9);
  // Optimal exactly if no cycle of experts gains by handing tokens on: no negative cycle among the least losses.
  std::vector<std::vector<double>> distance(32, std::vector<double>(32, kInfinite));
  for (size_t token = 0; token < 1024; ++token) {
    const auto from = static_cast<size_t>(result.routing.idx[token]);
    for (size_t to = 0; to < 32; ++to) {
      const double loss = double{table.values[token * 32 + from]} - double{table.values[token * 32 + to]};
      distance[from][to] = std::min(distance[from][to], loss);
    }
  }
  for (size_t via = 0; via < 32; ++via) {
    for (size_t from = 0; from < 32; ++from) {
      for (size_t to = 0; to < 32; ++to) {
        distance[from][to] = std::min(distance[from][to], distance[from][via] + distance[via][to]);
      }
    }
  }
  for (size_t expert = 0; expert < 32; ++expert) {
    EXPECT_GT(distance[expert][expert], -1e-9) << "a cycle through expert " << expert;
  }
}

TEST(Balanced, WeightsThenTheSigmoidOfTheScore) {
  const auto table = table_of(2, {0, 5, 1, 6});
  const auto result = balanced(table.scores());
  EXPECT_TRUE(is_balanced(result.routing.idx, 2));
  EXPECT_FLOAT_EQ(
      result.routing.weights[0],
      static_cast<float>(1 / (1 + std::exp(-double{table.values[static_cast<size_t>(result.routing.idx[0])]}))));
  EXPECT_TRUE(balanced(scores_of(nullptr, 0, 3)).routing.idx.empty());
  EXPECT_TRUE(balanced(scores_of(nullptr, 0, 2147483647)).routing.idx.empty());
}

}  // namespace
}  // namespace banyan::moe::gate
