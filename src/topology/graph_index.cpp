// SPDX-License-Identifier: Apache-2.0
#include "topology/graph_index.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace banyan::topology {

GraphIndex::GraphIndex(const Graph& graph) : graph_(&graph) {
  index_links();
  assign_hosts();
  order_hosts();
}

void GraphIndex::index_links() {
  first_link_.assign(graph_->vertices.size() + 1, 0);
  for (const Link& link : graph_->links) {
    ++first_link_[static_cast<size_t>(link.from) + 1];
  }
  std::partial_sum(first_link_.begin(), first_link_.end(), first_link_.begin());
  link_order_.resize(graph_->links.size());
  std::vector<int> next(first_link_.begin(), first_link_.end() - 1);
  for (size_t i = 0; i < graph_->links.size(); ++i) {
    int& slot = next[static_cast<size_t>(graph_->links[i].from)];
    link_order_[static_cast<size_t>(slot++)] = static_cast<int>(i);
  }
  const auto target = [this](int link) {
    const Link& l = graph_->links[static_cast<size_t>(link)];
    return std::pair(l.to, l.kind);
  };
  for (size_t v = 0; v < graph_->vertices.size(); ++v) {
    std::stable_sort(link_order_.begin() + first_link_[v], link_order_.begin() + first_link_[v + 1],
                     [&](int a, int b) { return target(a) < target(b); });
  }
}

const Link* GraphIndex::find_link(int from, int to, LinkKind kind) const {
  const std::span<const int> links = out_links(from);
  const auto found =
      std::lower_bound(links.begin(), links.end(), std::pair(to, kind), [this](int index, const auto& key) {
        const Link& link = graph_->links[static_cast<size_t>(index)];
        return std::pair(link.to, link.kind) < key;
      });
  if (found == links.end()) {
    return nullptr;
  }
  const Link& link = graph_->links[static_cast<size_t>(*found)];
  return link.to == to && link.kind == kind ? &link : nullptr;
}

std::span<const int> GraphIndex::out_links(int vertex) const {
  const auto begin = static_cast<size_t>(first_link_[static_cast<size_t>(vertex)]);
  const auto end = static_cast<size_t>(first_link_[static_cast<size_t>(vertex) + 1]);
  return std::span<const int>(link_order_).subspan(begin, end - begin);
}

void GraphIndex::assign_hosts() {
  host_vertex_.assign(graph_->vertices.size(), -1);
  std::vector<int> queue;
  for (size_t v = 0; v < graph_->vertices.size(); ++v) {
    if (graph_->vertices[v].kind != VertexKind::kHost) {
      continue;
    }
    const int host = static_cast<int>(v);
    host_vertex_[v] = host;
    queue.assign(1, host);
    while (!queue.empty()) {
      const int from = queue.back();
      queue.pop_back();
      for (const int index : out_links(from)) {
        const Link& link = graph_->links[static_cast<size_t>(index)];
        int& owner = host_vertex_[static_cast<size_t>(link.to)];
        const VertexKind kind = graph_->vertices[static_cast<size_t>(link.to)].kind;
        if (owner == -1 && is_inside_host(link.kind) && kind != VertexKind::kHost && kind != VertexKind::kSwitch) {
          owner = host;
          queue.push_back(link.to);
        }
      }
    }
  }
}

void GraphIndex::order_hosts() {
  host_index_.assign(graph_->vertices.size(), -1);
  const auto add = [this](int host) {
    int& index = host_index_[static_cast<size_t>(host)];
    if (index == -1) {
      index = static_cast<int>(hosts_.size());
      hosts_.push_back(host);
    }
    return index;
  };
  for (const int vertex : graph_->rank_vertex) {
    if (const int host = host_vertex(vertex); host != -1) {
      add(host);
    }
  }
  for (size_t v = 0; v < graph_->vertices.size(); ++v) {
    if (graph_->vertices[v].kind == VertexKind::kHost) {
      add(static_cast<int>(v));
    }
  }
  ranks_.resize(hosts_.size());
  nics_.resize(hosts_.size());
  for (int rank = 0; rank < graph_->num_ranks(); ++rank) {
    if (const int host = host_index(graph_->rank_vertex[static_cast<size_t>(rank)]); host != -1) {
      ranks_[static_cast<size_t>(host)].push_back(rank);
    }
  }
  for (size_t v = 0; v < graph_->vertices.size(); ++v) {
    const int host = host_index(static_cast<int>(v));
    if (graph_->vertices[v].kind == VertexKind::kNic && host != -1) {
      nics_[static_cast<size_t>(host)].push_back(static_cast<int>(v));
    }
  }
}

int GraphIndex::host_index(int vertex) const {
  const int host = host_vertex(vertex);
  return host == -1 ? -1 : host_index_[static_cast<size_t>(host)];
}

int GraphIndex::rank_place(int rank) const {
  for (const int index : out_links(graph_->rank_vertex[static_cast<size_t>(rank)])) {
    const Link& link = graph_->links[static_cast<size_t>(index)];
    if (link.kind == LinkKind::kMemory) {
      return link.to;
    }
  }
  return -1;
}

bool is_up(const Vertex& nic) {
  const std::string& state = attribute(nic, "state");
  return state.empty() || state == "up";
}

const std::string& attribute(const Vertex& vertex, const std::string& name) {
  static const std::string kNone;
  const auto found = vertex.attributes.find(name);
  return found == vertex.attributes.end() ? kNone : found->second;
}

}  // namespace banyan::topology
