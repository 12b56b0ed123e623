// SPDX-License-Identifier: Apache-2.0
// What is worth trying where an exchange is repeated.
#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <string>

#include "cost/profile.hpp"
#include "planner/select.hpp"
#include "trees.hpp"

namespace banyan::planner {
namespace {

/// Two hosts of four ranks, with a default model.
struct Two {
  topology::LocalityTree tree = tree_of({4, 4});
  Hosts hosts{tree};
  cost::CostModel model = cost::nominal_model(tree);
  [[nodiscard]] Situation situation() const { return {tree, hosts, model}; }
};

Wish wish_of(const std::string& algorithm, size_t limit) {
  Wish wish;
  wish.algorithm = algorithm;
  wish.aggregate_limit_bytes = limit;
  return wish;
}

std::set<std::pair<std::string, size_t>> names(const std::vector<Choice>& ways) {
  std::set<std::pair<std::string, size_t>> names;
  for (const Choice& way : ways) {
    names.emplace(algorithm_name(way.chosen.algorithm), way.block_limit);
  }
  return names;
}

TEST(Ways, OfAlltoallvTheModelsChoiceIsFirstAndAllDiffer) {
  const Two two;
  const auto ways = ways_v(two.situation(), {});
  const Choice first = choose_v(two.situation(), {});
  EXPECT_EQ(ways[0].chosen.algorithm, first.chosen.algorithm);
  EXPECT_EQ(ways[0].block_limit, first.block_limit);
  EXPECT_EQ(names(ways).size(), ways.size());
  EXPECT_TRUE(names(ways).contains({"direct", 0}));
  for (const size_t higher : {2, 8}) {
    EXPECT_TRUE(names(ways).contains({algorithm_name(first.chosen.algorithm), higher * first.block_limit}));
  }
}

TEST(Ways, AGivenLimitStaysAndNeverLeavesOneWay) {
  const Two two;
  for (const Choice& way : ways_v(two.situation(), wish_of("", 1000))) {
    EXPECT_EQ(way.block_limit, 1000U);
  }
  constexpr size_t kNever = std::numeric_limits<size_t>::max();
  EXPECT_EQ(ways_v(two.situation(), wish_of("", kNever)).size(), 1U);
  EXPECT_EQ(ways_uniform(two.situation(), 100, wish_of("", kNever)).size(), 1U);
}

TEST(Ways, ANamedAlgorithmIsTheOnlyOne) {
  const Two two;
  EXPECT_EQ(ways_v(two.situation(), wish_of("hierarchical(node)", 0)).size(), 1U);
  EXPECT_EQ(ways_uniform(two.situation(), 100, wish_of("direct", 0)).size(), 1U);
}

TEST(Ways, OfAlltoallThoseThatArePredictedNearTheBest) {
  const Two two;
  for (const size_t bytes : {size_t{16}, size_t{4096}, size_t{1} << 20}) {
    const Choice first = choose_uniform(two.situation(), bytes, {});
    size_t near = 0;
    for (const Candidate& candidate : first.candidates) {
      near += candidate.prediction.total_s() <= 1.6 * first.chosen.prediction.total_s() ? 1 : 0;
    }
    const auto ways = ways_uniform(two.situation(), bytes, {});
    EXPECT_EQ(ways[0].chosen.algorithm, first.chosen.algorithm);
    EXPECT_EQ(ways.size(), near);
    EXPECT_EQ(names(ways).size(), near);
  }
}

TEST(Ways, NothingIsTriedOnOneHostOrOfEmptyExchanges) {
  const topology::LocalityTree tree = tree_of({4});
  const Hosts hosts(tree);
  const cost::CostModel model = cost::nominal_model(tree);
  EXPECT_EQ(ways_v({tree, hosts, model}, {}).size(), 1U);
  EXPECT_EQ(ways_uniform({tree, hosts, model}, 100, {}).size(), 1U);
  const Two two;
  EXPECT_EQ(ways_uniform(two.situation(), 0, {}).size(), 1U);
}

}  // namespace
}  // namespace banyan::planner
