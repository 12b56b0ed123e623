// SPDX-License-Identifier: Apache-2.0
#include "topology/racks.hpp"

#include <algorithm>
#include <map>
#include <numeric>

namespace banyan::topology {
namespace {

/// Disjoint sets of vertices; path halving.
class Sets {
 public:
  explicit Sets(size_t size) : parent_(size) { std::iota(parent_.begin(), parent_.end(), 0); }

  int find(int v) {
    while (parent_[static_cast<size_t>(v)] != v) {
      int& parent = parent_[static_cast<size_t>(v)];
      parent = parent_[static_cast<size_t>(parent)];
      v = parent;
    }
    return v;
  }
  void join(int a, int b) {
    const int first = find(a);
    const int second = find(b);
    parent_[static_cast<size_t>(std::max(first, second))] = std::min(first, second);
  }

 private:
  std::vector<int> parent_;
};

/// Switches that a NIC of the host is linked to.
std::vector<int> leaf_switches(const GraphIndex& index, int host) {
  std::vector<int> leaves;
  for (const int nic : index.nics(host)) {
    for (const int link_index : index.out_links(nic)) {
      const Link& link = index.graph().links[static_cast<size_t>(link_index)];
      if (link.kind == LinkKind::kNetwork &&
          index.graph().vertices[static_cast<size_t>(link.to)].kind == VertexKind::kSwitch) {
        leaves.push_back(link.to);
      }
    }
  }
  return leaves;
}

double reverse_bandwidth(const GraphIndex& index, const Link& link) {
  const Link* back = index.find_link(link.to, link.from, link.kind);
  return back == nullptr ? 0 : back->bandwidth_bytes_per_s;
}

Capacity uplink_capacity(const GraphIndex& index, const std::vector<int>& leaves) {
  Capacity total;
  bool egress_known = true;
  bool ingress_known = true;
  for (const int leaf : leaves) {
    for (const int link_index : index.out_links(leaf)) {
      const Link& link = index.graph().links[static_cast<size_t>(link_index)];
      const bool to_switch = index.graph().vertices[static_cast<size_t>(link.to)].kind == VertexKind::kSwitch;
      if (!to_switch || std::binary_search(leaves.begin(), leaves.end(), link.to)) {
        continue;
      }
      const double back = reverse_bandwidth(index, link);
      egress_known = egress_known && link.bandwidth_bytes_per_s > 0;
      ingress_known = ingress_known && back > 0;
      total.egress_bytes_per_s += link.bandwidth_bytes_per_s;
      total.ingress_bytes_per_s += back;
    }
  }
  return {egress_known ? total.egress_bytes_per_s : 0, ingress_known ? total.ingress_bytes_per_s : 0};
}

Rack make_rack(const GraphIndex& index, std::vector<int> leaves) {
  Rack rack{kFabricKey, kFabricName, std::move(leaves), {}};
  if (rack.leaves.empty()) {
    return rack;
  }
  const auto& vertices = index.graph().vertices;
  const int least = *std::min_element(rack.leaves.begin(), rack.leaves.end(), [&](int a, int b) {
    return vertices[static_cast<size_t>(a)].key < vertices[static_cast<size_t>(b)].key;
  });
  rack.key = vertices[static_cast<size_t>(least)].key;
  rack.name = vertices[static_cast<size_t>(least)].name;
  rack.uplink = uplink_capacity(index, rack.leaves);
  return rack;
}

}  // namespace

Racks find_racks(const GraphIndex& index) {
  const Graph& graph = index.graph();
  Sets sets(graph.vertices.size());
  std::vector<int> leaf_of_host(index.hosts().size(), -1);
  std::vector<int> all_leaves;
  int fabric = -1;
  for (size_t host = 0; host < leaf_of_host.size(); ++host) {
    for (const int leaf : leaf_switches(index, static_cast<int>(host))) {
      leaf_of_host[host] = leaf_of_host[host] == -1 ? leaf : leaf_of_host[host];
      sets.join(leaf_of_host[host], leaf);
      all_leaves.push_back(leaf);
      fabric = graph.vertices[static_cast<size_t>(leaf)].key == kFabricKey ? leaf : fabric;
    }
  }
  std::sort(all_leaves.begin(), all_leaves.end());
  all_leaves.erase(std::unique(all_leaves.begin(), all_leaves.end()), all_leaves.end());
  std::map<int, std::vector<int>> leaves_of_set;
  for (const int leaf : all_leaves) {
    leaves_of_set[sets.find(leaf)].push_back(leaf);
  }
  Racks result;
  std::map<int, int> rack_of_set;
  for (const int leaf : leaf_of_host) {
    const int behind = leaf == -1 ? fabric : leaf;
    const int set = behind == -1 ? -1 : sets.find(behind);
    const auto [entry, inserted] = rack_of_set.try_emplace(set, static_cast<int>(result.racks.size()));
    if (inserted) {
      result.racks.push_back(make_rack(index, set == -1 ? std::vector<int>() : leaves_of_set[set]));
    }
    result.by_host.push_back(entry->second);
  }
  return result;
}

Capacity host_capacity(const GraphIndex& index, int host) {
  Capacity total;
  for (const int nic : index.nics(host)) {
    if (!is_up(index.graph().vertices[static_cast<size_t>(nic)])) {
      continue;
    }
    for (const int link_index : index.out_links(nic)) {
      const Link& link = index.graph().links[static_cast<size_t>(link_index)];
      if (link.kind == LinkKind::kNetwork) {
        total.egress_bytes_per_s += link.bandwidth_bytes_per_s;
        total.ingress_bytes_per_s += reverse_bandwidth(index, link);
      }
    }
  }
  return total;
}

}  // namespace banyan::topology
