// SPDX-License-Identifier: Apache-2.0
#include "problems.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace banyan::moe {
namespace {

using topology::LocalityTree;
using topology::Tier;

size_t at(int index) { return static_cast<size_t>(index); }

/// A synthetic description of up to `hosts` hosts, in racks or not, in any order of ranks.
std::string random_description() {
  const int hosts = *rc::gen::inRange(1, 4);
  std::string sizes;
  std::string nics;
  for (int host = 0; host < hosts; ++host) {
    sizes += (host > 0 ? "," : "") + std::to_string(*rc::gen::inRange(1, 4));
    nics += (host > 0 ? "," : "") + std::to_string(*rc::gen::element(1, 1, 4, 10, 100)) + "gbit";
  }
  std::string text = std::to_string(hosts) + ":[" + sizes + "] nic=[" + nics + "]";
  if (hosts > 1 && *rc::gen::arbitrary<bool>()) {
    const int first = *rc::gen::inRange(1, hosts);
    text += " racks=[" + std::to_string(first) + "," + std::to_string(hosts - first) + "] uplink=[" +
            std::to_string(*rc::gen::element(1, 2, 5)) + "gbit," + std::to_string(*rc::gen::element(1, 2, 20)) +
            "gbit]";
  }
  return text + (*rc::gen::arbitrary<bool>() ? " order=cyclic" : "");
}

double random_factor() { return *rc::gen::element(0.05, 0.3, 1.0, 1.0, 3.0); }

}  // namespace

std::vector<PlainLimit> plain_limits(const Scene& scene) {
  const LocalityTree& tree = scene.tree;
  const int ranks = tree.num_ranks();
  std::vector<PlainLimit> limits;
  const auto add = [&](const std::string& name, double rate, const std::function<bool(int, int)>& carries) {
    PlainLimit limit;
    for (int i = 0; i < ranks; ++i) {
      for (int j = 0; j < ranks; ++j) {
        limit.carries.push_back(carries(i, j) ? 1 : 0);
      }
    }
    limit.bytes_per_s = rate;
    limit.name = name;
    if (rate > 0 && std::count(limit.carries.begin(), limit.carries.end(), 1) > 0) {
      limits.push_back(limit);
    }
  };
  const auto& model = scene.model;
  const Tier remote = tree.at_tier(Tier::kRack).size() > 1 ? Tier::kCluster : Tier::kRack;
  for (int r = 0; r < ranks; ++r) {
    const auto host_ranks = static_cast<double>(tree.node(tree.ancestor(r, Tier::kNode)).ranks.size());
    const double local = std::min(model.copy_bytes_per_s / 2, model.host_copy_bytes_per_s / 2 / host_ranks);
    const double node = model.tiers[static_cast<size_t>(Tier::kNode)].flow_bytes_per_s;
    const double flow = model.tiers[static_cast<size_t>(remote)].flow_bytes_per_s;
    add("local out", local, [&](int i, int j) { return i == r && tree.same_host(i, j); });
    add("local in", local, [&](int i, int j) { return j == r && tree.same_host(i, j); });
    add("node out", node, [&](int i, int j) { return i == r && tree.same_host(i, j) && !tree.mapped(i, j); });
    add("node in", node, [&](int i, int j) { return j == r && tree.same_host(i, j) && !tree.mapped(i, j); });
    add("flow out", flow, [&](int i, int j) { return i == r && !tree.same_host(i, j); });
    add("flow in", flow, [&](int i, int j) { return j == r && !tree.same_host(i, j); });
  }
  for (const Tier tier : {Tier::kNode, Tier::kRack}) {
    for (const int node : tree.at_tier(tier)) {
      const auto inside = [&tree, node, tier](int rank) { return tree.ancestor(rank, tier) == node; };
      const auto& capacity = model.subtrees[at(node)];
      add("egress", capacity.egress_bytes_per_s, [&](int i, int j) { return inside(i) && !inside(j); });
      add("ingress", capacity.ingress_bytes_per_s, [&](int i, int j) { return !inside(i) && inside(j); });
    }
  }
  return limits;
}

std::vector<double> rank_matrix(const Targets& targets) {
  std::vector<double> matrix;
  for (int rank = 0; rank < targets.num_ranks(); ++rank) {
    const auto row = targets.rank_row(rank);
    matrix.insert(matrix.end(), row.begin(), row.end());
  }
  return matrix;
}

std::vector<double> even_matrix(const TokenDemand& demand) {
  std::vector<double> matrix;
  for (size_t i = 0; i < demand.tokens.size(); ++i) {
    for (size_t j = 0; j < demand.tokens.size(); ++j) {
      matrix.push_back(demand.sent(i) * demand.received(j) / demand.total);
    }
  }
  return matrix;
}

double plain_time(const std::vector<PlainLimit>& limits, const std::vector<double>& matrix, double row_bytes) {
  double longest = 0;
  for (const PlainLimit& limit : limits) {
    double tokens = 0;
    for (size_t pair = 0; pair < matrix.size(); ++pair) {
      tokens += limit.carries[pair] != 0 ? matrix[pair] : 0;
    }
    longest = std::max(longest, tokens * row_bytes / limit.bytes_per_s);
  }
  return longest;
}

double plain_divergence(const std::vector<double>& matrix, const std::vector<double>& even) {
  double sum = 0;
  for (size_t pair = 0; pair < matrix.size(); ++pair) {
    sum += matrix[pair] > 0 ? matrix[pair] * std::log(matrix[pair] / even[pair]) : 0;
  }
  return sum / std::accumulate(even.begin(), even.end(), 0.0);
}

void expect_dispatch(const Targets& targets) {
  const auto experts = targets.demand.owner.size();
  std::vector<double> columns(experts, 0);
  for (int rank = 0; rank < targets.num_ranks(); ++rank) {
    const auto row = targets.row(rank);
    ASSERT_EQ(row.size(), experts);
    const double sent = targets.demand.sent(at(rank));
    EXPECT_NEAR(std::accumulate(row.begin(), row.end(), 0.0), sent, 1e-9 * sent) << "rank " << rank;
    for (size_t e = 0; e < experts; ++e) {
      EXPECT_GE(row[e], 0);
      columns[e] += row[e];
    }
  }
  const double each = targets.demand.total / static_cast<double>(experts);
  for (size_t e = 0; e < experts; ++e) {
    EXPECT_NEAR(columns[e], each, 1e-9 * each) << "expert " << e;
  }
}

TargetProblem RandomScene::problem(TargetMethod method) const {
  TargetProblem problem = scene.problem(method);
  problem.num_experts = static_cast<int>(owner.size());
  problem.owner = owner;
  problem.tokens = tokens;
  problem.top_k = top_k;
  return problem;
}

RandomScene random_scene() {
  topology::Graph graph = topology::from_synthetic(random_description()).value("synthetic");
  const bool domains = *rc::gen::arbitrary<bool>();  // hosts of several containers
  for (const int vertex : graph.rank_vertex) {
    if (domains) {
      graph.vertices[at(vertex)].attributes["memory_domain"] = std::to_string(*rc::gen::inRange(0, 2));
    }
  }
  const LocalityTree tree = LocalityTree::derive(graph);
  Scene scene(tree, cost::nominal_model(tree));
  for (auto& capacity : scene.model.subtrees) {
    capacity.egress_bytes_per_s *= random_factor();
    capacity.ingress_bytes_per_s *= random_factor();
  }
  scene.model.copy_bytes_per_s *= random_factor();
  for (auto& tier : scene.model.tiers) {
    tier.flow_bytes_per_s *= random_factor();
  }
  const int ranks = scene.tree.num_ranks();
  RandomScene random{std::move(scene), {}, {}, 1};
  for (int rank = 0; rank < ranks; ++rank) {
    random.tokens.push_back(*rc::gen::element<size_t>(0, 512, 512, 512, 700));
    const int experts = *rc::gen::element(0, 1, 1, 2);
    random.owner.insert(random.owner.end(), at(experts), rank);
  }
  random.tokens[0] = 512;
  random.owner.push_back(*rc::gen::inRange(0, ranks));
  random.top_k = *rc::gen::inRange(1, static_cast<int>(std::min<size_t>(3, random.owner.size() + 1)));
  return random;
}

}  // namespace banyan::moe
