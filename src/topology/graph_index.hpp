// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "topology/graph.hpp"

namespace banyan::topology {

/// Adjacency and host membership of a graph, built once in O(vertices + links). Borrows the graph for its own lifetime.
/// Link and rank indices of the graph must be in range (check() says so). Immutable; any thread.
class GraphIndex {
 public:
  explicit GraphIndex(const Graph& graph);

  [[nodiscard]] const Graph& graph() const noexcept { return *graph_; }
  /// Indices of the links that leave `vertex`, ordered by target and kind.
  [[nodiscard]] std::span<const int> out_links(int vertex) const;
  /// The link of `kind` from -> to, or nullptr. O(log degree).
  [[nodiscard]] const Link* find_link(int from, int to, LinkKind kind) const;
  /// The kHost vertex that holds `vertex` (itself for a host), -1 for switches and stray vertices.
  [[nodiscard]] int host_vertex(int vertex) const { return host_vertex_[static_cast<size_t>(vertex)]; }
  /// All kHost vertices, in order of their smallest rank; hosts without ranks follow in the graph's order.
  [[nodiscard]] const std::vector<int>& hosts() const noexcept { return hosts_; }
  /// Position in hosts() of the host that holds `vertex`, or -1.
  [[nodiscard]] int host_index(int vertex) const;
  /// World ranks of a host, ascending; `host` is a position in hosts().
  [[nodiscard]] const std::vector<int>& ranks(int host) const { return ranks_[static_cast<size_t>(host)]; }
  /// kNic vertices of a host in the graph's order, whatever their state.
  [[nodiscard]] const std::vector<int>& nics(int host) const { return nics_[static_cast<size_t>(host)]; }
  /// The vertex that a rank hangs below: host, package, NUMA node or GPU; -1 if none.
  [[nodiscard]] int rank_place(int rank) const;

 private:
  void index_links();
  void assign_hosts();
  void order_hosts();

  const Graph* graph_;
  std::vector<int> first_link_;   ///< CSR offsets by vertex
  std::vector<int> link_order_;   ///< link indices sorted by from, to, kind
  std::vector<int> host_vertex_;  ///< by vertex
  std::vector<int> host_index_;   ///< by vertex, set for kHost only
  std::vector<int> hosts_;
  std::vector<std::vector<int>> ranks_;
  std::vector<std::vector<int>> nics_;
};

/// Whether links of this kind join parts of one host (memory and PCI do; NVLink and networks may leave it).
[[nodiscard]] constexpr bool is_inside_host(LinkKind kind) noexcept {
  return kind == LinkKind::kMemory || kind == LinkKind::kPci;
}

/// A NIC counts unless its attribute `state` is there and not "up".
[[nodiscard]] bool is_up(const Vertex& nic);

/// The value of an attribute, or "".
[[nodiscard]] const std::string& attribute(const Vertex& vertex, const std::string& name);

}  // namespace banyan::topology
