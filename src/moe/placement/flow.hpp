// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace banyan::moe {

/// A network with whole capacities and costs, and the flows through it. Exact and deterministic.
class FlowNetwork {
 public:
  static constexpr int64_t kUnlimited = int64_t{1} << 60;

  explicit FlowNetwork(size_t num_nodes) : out_(num_nodes) {}

  /// Returns the edge's index. capacity, cost >= 0.
  size_t add_edge(size_t from, size_t to, int64_t capacity, int cost = 0);
  void set_capacity(size_t edge, int64_t capacity) { edges_[edge].capacity = capacity; }
  /// Forgets the flow; after capacities were set.
  void reset();

  /// The largest flow from source to sink (Dinic 1970), added to what flows already, and what it adds.
  int64_t maximise(size_t source, size_t sink);
  /// The same at the least sum of flow * cost (primal-dual: Ford and Fulkerson 1962). From no flow.
  int64_t maximise_cheaply(size_t source, size_t sink);

  [[nodiscard]] int64_t flow(size_t edge) const { return edges_[edge ^ 1].residual; }
  /// Which nodes more flow could reach: after maximise(), the source's side of a least cut.
  [[nodiscard]] std::vector<bool> reachable(size_t source) const;

 private:
  struct Edge {
    size_t to;
    int64_t residual;
    int64_t capacity;
    int cost;
  };

  [[nodiscard]] bool usable(size_t edge, size_t from) const {
    return edges_[edge].residual > 0 &&
           (!by_cost_ || edges_[edge].cost + potentials_[from] == potentials_[edges_[edge].to]);
  }
  [[nodiscard]] bool find_levels(size_t source, size_t sink);
  int64_t push_along_levels(size_t source, size_t sink);
  int64_t push(const std::vector<size_t>& path);
  [[nodiscard]] bool find_potentials(size_t source, size_t sink);

  std::vector<Edge> edges_;  ///< the reverse of edge e is e ^ 1
  std::vector<std::vector<size_t>> out_;
  std::vector<int> levels_;
  std::vector<size_t> next_;
  std::vector<int64_t> potentials_;
  bool by_cost_ = false;  ///< only edges that cost nothing by potentials are usable
};

}  // namespace banyan::moe
