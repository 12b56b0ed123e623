// SPDX-License-Identifier: Apache-2.0
#include "topology/graph_index.hpp"
#include "topology/render.hpp"

namespace banyan::topology {

int num_hosts(const Graph& graph) {
  int count = 0;
  for (const Vertex& vertex : graph.vertices) {
    count += vertex.kind == VertexKind::kHost ? 1 : 0;
  }
  return count;
}

std::vector<int> hosts_of_ranks(const Graph& graph) {
  const GraphIndex index(graph);
  std::vector<int> hosts;
  hosts.reserve(graph.rank_vertex.size());
  for (const int vertex : graph.rank_vertex) {
    hosts.push_back(index.host_index(vertex));
  }
  return hosts;
}

}  // namespace banyan::topology
