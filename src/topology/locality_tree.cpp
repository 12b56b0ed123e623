// SPDX-License-Identifier: Apache-2.0
#include "topology/locality_tree.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "topology/domains.hpp"
#include "topology/graph_index.hpp"
#include "topology/racks.hpp"

namespace banyan::topology {
namespace {

constexpr std::array kInnerTiers = {Tier::kRack, Tier::kNode, Tier::kDomain};  // outermost first
constexpr const char* kRootName = "cluster";

size_t slot(Tier tier) { return static_cast<size_t>(tier); }

[[noreturn]] void reject(const std::string& message) { throw Error(BANYAN_ERR_INVALID_ARGUMENT, message); }

TreeNode describe_domain(const GraphIndex& index, int host, int ordinal) {
  const Vertex& vertex = index.graph().vertices[static_cast<size_t>(index.hosts()[static_cast<size_t>(host)])];
  TreeNode node;
  node.tier = Tier::kDomain;
  node.name = vertex.name + "/domain" + std::to_string(ordinal);
  node.key = vertex.key + "/domain:" + std::to_string(ordinal);
  return node;
}

TreeNode describe_host(const GraphIndex& index, int host) {
  const Graph& graph = index.graph();
  const Vertex& vertex = graph.vertices[static_cast<size_t>(index.hosts()[static_cast<size_t>(host)])];
  const std::vector<int>& nics = index.nics(host);
  const Capacity capacity = host_capacity(index, host);
  TreeNode node;
  node.tier = Tier::kNode;
  node.name = vertex.name;
  node.key = vertex.key;
  node.num_nics = static_cast<int>(std::count_if(
      nics.begin(), nics.end(), [&](int nic) { return is_up(graph.vertices[static_cast<size_t>(nic)]); }));
  node.egress_bytes_per_s = capacity.egress_bytes_per_s;
  node.ingress_bytes_per_s = capacity.ingress_bytes_per_s;
  return node;
}

TreeNode describe_rack(const Rack& rack) {
  TreeNode node;
  node.tier = Tier::kRack;
  node.name = rack.name;
  node.key = rack.key;
  node.egress_bytes_per_s = rack.uplink.egress_bytes_per_s;
  node.ingress_bytes_per_s = rack.uplink.ingress_bytes_per_s;
  return node;
}

}  // namespace

/// `group[t][i]`: number of the subtree of tier t that holds communicator rank i; `nodes[t][number]` describes it.
struct LocalityTree::Groups {
  std::array<std::vector<int>, kNumTiers> group;
  std::array<std::vector<TreeNode>, kNumTiers> nodes;
};

const char* tier_name(Tier tier) noexcept {
  switch (tier) {
    case Tier::kSelf:
      return "self";
    case Tier::kDomain:
      return "domain";
    case Tier::kNode:
      return "node";
    case Tier::kRack:
      return "rack";
    case Tier::kCluster:
      return "cluster";
  }
  return "unknown";
}

LocalityTree LocalityTree::assemble(const Groups& groups) {
  LocalityTree tree;
  const size_t num_ranks = groups.group[slot(Tier::kNode)].size();
  TreeNode& root = tree.nodes_.emplace_back();
  root.name = root.key = kRootName;
  tree.root_ = 0;
  tree.ancestor_.resize(num_ranks);
  for (size_t rank = 0; rank < num_ranks; ++rank) {
    tree.ancestor_[rank][slot(Tier::kSelf)] = -1;
    tree.ancestor_[rank][slot(Tier::kCluster)] = 0;
    root.ranks.push_back(static_cast<int>(rank));
  }
  for (const Tier tier : kInnerTiers) {
    std::vector<int> number(groups.nodes[slot(tier)].size(), -1);
    for (size_t rank = 0; rank < num_ranks; ++rank) {
      const auto group = static_cast<size_t>(groups.group[slot(tier)][rank]);
      const int parent = tree.ancestor_[rank][slot(tier) + 1];
      if (number[group] == -1) {
        number[group] = static_cast<int>(tree.nodes_.size());
        tree.nodes_.push_back(groups.nodes[slot(tier)][group]);
        tree.nodes_.back().parent = parent;
        tree.nodes_[static_cast<size_t>(parent)].children.push_back(number[group]);
      }
      TreeNode& node = tree.nodes_[static_cast<size_t>(number[group])];
      BANYAN_CHECK(node.parent == parent, node.key + " spans two subtrees of the tier above");
      node.ranks.push_back(static_cast<int>(rank));
      tree.ancestor_[rank][slot(tier)] = number[group];
    }
  }
  return tree;
}

LocalityTree LocalityTree::derive(const Graph& graph, std::span<const int> ranks) {
  const GraphIndex index(graph);
  const Domains domains = find_domains(index);
  const Racks racks = find_racks(index);
  Groups groups;
  for (size_t host = 0; host < index.hosts().size(); ++host) {
    groups.nodes[slot(Tier::kNode)].push_back(describe_host(index, static_cast<int>(host)));
  }
  for (const Rack& rack : racks.racks) {
    groups.nodes[slot(Tier::kRack)].push_back(describe_rack(rack));
  }
  groups.nodes[slot(Tier::kDomain)].resize(domains.ordinal.size());
  std::vector<bool> seen(graph.rank_vertex.size(), false);
  for (const int rank : ranks) {
    if (rank < 0 || rank >= graph.num_ranks()) {
      reject("rank " + std::to_string(rank) + " is not in the topology, which has ranks 0 to " +
             std::to_string(graph.num_ranks() - 1));
    }
    if (seen[static_cast<size_t>(rank)]) {
      reject("rank " + std::to_string(rank) + " is listed twice in one group");
    }
    seen[static_cast<size_t>(rank)] = true;
    const int host = index.host_index(graph.rank_vertex[static_cast<size_t>(rank)]);
    const int domain = domains.by_rank[static_cast<size_t>(rank)];
    BANYAN_CHECK(host != -1 && domain != -1, "rank " + std::to_string(rank) + " is on no host");
    groups.nodes[slot(Tier::kDomain)][static_cast<size_t>(domain)] =
        describe_domain(index, host, domains.ordinal[static_cast<size_t>(domain)]);
    groups.group[slot(Tier::kDomain)].push_back(domain);
    groups.group[slot(Tier::kNode)].push_back(host);
    groups.group[slot(Tier::kRack)].push_back(racks.by_host[static_cast<size_t>(host)]);
  }
  return assemble(groups);
}

LocalityTree LocalityTree::derive(const Graph& graph) {
  std::vector<int> ranks(graph.rank_vertex.size());
  for (size_t i = 0; i < ranks.size(); ++i) {
    ranks[i] = static_cast<int>(i);
  }
  return derive(graph, ranks);
}

LocalityTree LocalityTree::from_hosts(const std::vector<std::vector<int>>& hosts, double nic_bytes_per_s) {
  size_t num_ranks = 0;
  for (const auto& host : hosts) {
    num_ranks += host.size();
  }
  Groups groups;
  std::vector<int> host_of(num_ranks, -1);
  for (size_t h = 0; h < hosts.size(); ++h) {
    if (hosts[h].empty()) {
      reject("host " + std::to_string(h) + " has no ranks");
    }
    for (const int rank : hosts[h]) {
      if (rank < 0 || static_cast<size_t>(rank) >= num_ranks || host_of[static_cast<size_t>(rank)] != -1) {
        reject("rank " + std::to_string(rank) + " of host " + std::to_string(h) +
               " is listed twice or is not one of 0 to " + std::to_string(num_ranks - 1));
      }
      host_of[static_cast<size_t>(rank)] = static_cast<int>(h);
    }
    TreeNode node;
    node.tier = Tier::kNode;
    node.name = "node" + std::to_string(h);
    node.key = "host:" + node.name;
    TreeNode domain{.tier = Tier::kDomain,
                    .children = {},
                    .ranks = {},
                    .name = node.name + "/domain0",
                    .key = node.key + "/domain:0"};
    groups.nodes[slot(Tier::kDomain)].push_back(std::move(domain));
    node.num_nics = 1;
    node.egress_bytes_per_s = node.ingress_bytes_per_s = nic_bytes_per_s;
    groups.nodes[slot(Tier::kNode)].push_back(std::move(node));
  }
  groups.group[slot(Tier::kDomain)] = groups.group[slot(Tier::kNode)] = host_of;
  groups.group[slot(Tier::kRack)].assign(num_ranks, 0);
  groups.nodes[slot(Tier::kRack)].push_back(describe_rack({kFabricKey, kFabricName, {}, {}}));
  return assemble(groups);
}

std::vector<int> LocalityTree::at_tier(Tier tier) const {
  std::vector<int> indices;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].tier == tier) {
      indices.push_back(static_cast<int>(i));
    }
  }
  return indices;
}

Tier LocalityTree::common_tier(int i, int j) const {
  if (i == j) {
    return Tier::kSelf;
  }
  for (const Tier tier : {Tier::kDomain, Tier::kNode, Tier::kRack}) {
    if (ancestor(i, tier) == ancestor(j, tier)) {
      return tier;
    }
  }
  return Tier::kCluster;
}

}  // namespace banyan::topology
