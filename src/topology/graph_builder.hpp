// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>

#include "topology/graph.hpp"

namespace banyan::topology {

/// Builds a graph vertex by vertex. One thread.
class GraphBuilder {
 public:
  GraphBuilder() = default;
  /// Goes on from a graph.
  explicit GraphBuilder(Graph graph) : graph_(std::move(graph)) {}

  int add(VertexKind kind, std::string key, std::string name) {
    graph_.vertices.push_back({kind, std::move(key), std::move(name), {}});
    return static_cast<int>(graph_.vertices.size()) - 1;
  }
  /// The vertex, valid until the next add.
  Vertex& vertex(int index) { return graph_.vertices[static_cast<size_t>(index)]; }
  /// One direction only; the other must follow.
  void add_link(const Link& link) { graph_.links.push_back(link); }
  /// Links in both directions, of equal bandwidth; 0: unknown.
  void join(int a, int b, LinkKind kind, double bandwidth_bytes_per_s = 0) {
    graph_.links.push_back({a, b, kind, bandwidth_bytes_per_s, 0});
    graph_.links.push_back({b, a, kind, bandwidth_bytes_per_s, 0});
  }
  /// The next rank, below `place`: a host, package, NUMA node or GPU.
  int add_rank(int place, double memory_bytes_per_s = 0) {
    const std::string number = std::to_string(graph_.num_ranks());
    const int rank = add(VertexKind::kRank, "rank:" + number, "rank" + number);
    join(rank, place, LinkKind::kMemory, memory_bytes_per_s);
    graph_.rank_vertex.push_back(rank);
    return rank;
  }
  [[nodiscard]] const Graph& graph() const noexcept { return graph_; }
  [[nodiscard]] Graph take() { return std::move(graph_); }

 private:
  Graph graph_;
};

}  // namespace banyan::topology
