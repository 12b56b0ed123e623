// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "cost/profile.hpp"
#include "moe/targets/targets.hpp"
#include "topology/discover.hpp"
#include "topology/locality_tree.hpp"

namespace banyan::moe {

/// A tree and model that targets are computed for, with what the problem borrows.
struct Scene {
  topology::LocalityTree tree;
  cost::CostModel model;

  explicit Scene(const std::string& synthetic)
      : tree(topology::LocalityTree::derive(topology::from_synthetic(synthetic).value("synthetic"))),
        model(cost::nominal_model(tree)) {}
  Scene(topology::LocalityTree of_tree, cost::CostModel of_model)
      : tree(std::move(of_tree)), model(std::move(of_model)) {}

  /// One expert per rank, 1024 tokens per rank, top-1, rows of 1 KiB.
  [[nodiscard]] TargetProblem problem(TargetMethod method = TargetMethod::kClosed) const {
    TargetProblem problem;
    problem.tree = &tree;
    problem.model = &model;
    problem.num_experts = tree.num_ranks();
    problem.tokens = {1024};
    problem.row_bytes = 1024;
    problem.method = method;
    return problem;
  }
};

/// What every share must carry less of than seconds * rate: the pairs of ranks, written down one by one.
struct PlainLimit {
  std::vector<char> carries;  ///< [ranks, ranks] row-major
  double bytes_per_s = 0;
  std::string name;
};

/// The limits that src/moe/targets/shape.hpp promises, from tree and model, rank by rank.
[[nodiscard]] std::vector<PlainLimit> plain_limits(const Scene& scene);

/// [ranks, ranks] token copies from rank to rank.
[[nodiscard]] std::vector<double> rank_matrix(const Targets& targets);
[[nodiscard]] std::vector<double> even_matrix(const TokenDemand& demand);
/// max over limits of bytes / rate.
[[nodiscard]] double plain_time(const std::vector<PlainLimit>& limits, const std::vector<double>& matrix,
                                double row_bytes);
/// sum of x log(x / even) / sum of x.
[[nodiscard]] double plain_divergence(const std::vector<double>& matrix, const std::vector<double>& even);

/// Rows, columns and signs are right.
void expect_dispatch(const Targets& targets);

/// A random tree of up to 9 ranks with domains, rates, tokens and experts of all sorts, from rapidcheck.
struct RandomScene {
  Scene scene;
  std::vector<size_t> tokens;
  std::vector<int> owner;
  int top_k;

  [[nodiscard]] TargetProblem problem(TargetMethod method) const;
};
[[nodiscard]] RandomScene random_scene();

}  // namespace banyan::moe
