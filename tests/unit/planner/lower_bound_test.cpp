// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <limits>

#include "planner/predict.hpp"
#include "planner/traffic_matrix.hpp"

namespace banyan::planner {
namespace {

using topology::LocalityTree;
using topology::Tier;

TrafficMatrix uniform(int num_ranks, uint64_t bytes) {
  const auto n = static_cast<size_t>(num_ranks);
  return {num_ranks, std::vector<uint64_t>(n * n, bytes)};
}

/// A model whose subtrees have the tree's nominal capacities and nothing else is limited.
cost::CostModel model_of(const LocalityTree& tree) {
  cost::CostModel model;
  for (const auto& node : tree.nodes()) {
    model.subtrees.push_back({node.egress_bytes_per_s, node.ingress_bytes_per_s, false});
  }
  return model;
}

double bound(const TrafficMatrix& matrix, const LocalityTree& tree, const cost::CostModel& model) {
  const Demand demand{.block_bytes = 0, .matrix = matrix.bytes};
  return lower_bound_s(tree, model, sum_loads(tree, Hosts(tree), demand, 0, std::numeric_limits<uint64_t>::max()));
}

TEST(LowerBound, UniformThenTheFormulaOfTheReference) {
  // m^2 (n - 1) b / W for n hosts of m ranks (cpu-peers section 7).
  const LocalityTree tree = LocalityTree::from_hosts({{0, 1}, {2, 3}, {4, 5}}, 1e9);
  EXPECT_DOUBLE_EQ(bound(uniform(6, 1000), tree, model_of(tree)), 4 * 2 * 1000 / 1e9);
}

TEST(LowerBound, UnevenHostsThenTheBusiestDirectionOfTheBusiestHost) {
  const LocalityTree tree = LocalityTree::from_hosts({{0, 1, 2}, {3}, {4}}, 1e9);
  TrafficMatrix matrix = uniform(5, 0);
  matrix.at(3, 0) = 500;
  matrix.at(4, 2) = 700;
  matrix.at(0, 1) = 1'000'000;  // stays on its host, whose copies are not limited here
  EXPECT_DOUBLE_EQ(bound(matrix, tree, model_of(tree)), 1200 / 1e9);
  cost::CostModel model = model_of(tree);
  model.subtrees[static_cast<size_t>(tree.ancestor(4, Tier::kNode))].egress_bytes_per_s = 1e6;
  EXPECT_DOUBLE_EQ(bound(matrix, tree, model), 700 / 1e6);
}

TEST(LowerBound, AnyLinkThenTheSlowestCounts) {
  const LocalityTree tree = LocalityTree::from_hosts({{0, 1}, {2, 3}}, 1e9);
  const TrafficMatrix matrix = uniform(4, 100);
  cost::CostModel model = model_of(tree);
  model.subtrees[static_cast<size_t>(tree.ancestor(2, Tier::kNode))].ingress_bytes_per_s = 1e3;
  EXPECT_DOUBLE_EQ(bound(matrix, tree, model), 400 / 1e3);
  model = model_of(tree);
  model.subtrees[static_cast<size_t>(tree.root())] = {1e-3, 1e-3, true};  // nothing leaves or enters the root
  EXPECT_DOUBLE_EQ(bound(matrix, tree, model), 400 / 1e9);
}

TEST(LowerBound, NothingLimitedOrNothingSentThenZero) {
  const LocalityTree tree = LocalityTree::from_hosts({{0, 1}, {2, 3}}, 0);
  EXPECT_EQ(bound(uniform(4, 100), tree, model_of(tree)), 0);
  const LocalityTree limited = LocalityTree::from_hosts({{0, 1}, {2, 3}}, 1e9);
  EXPECT_EQ(bound(uniform(4, 0), limited, model_of(limited)), 0);
}

}  // namespace
}  // namespace banyan::planner
