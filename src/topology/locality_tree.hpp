// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "topology/graph.hpp"

namespace banyan::topology {

/// The levels of the locality tree, innermost first. kDomain: ranks that can load and store each other's memory.
enum class Tier : uint8_t { kSelf = 0, kDomain = 1, kNode = 2, kRack = 3, kCluster = 4 };
inline constexpr int kNumTiers = 5;

/// "self", "domain", "node", "rack", "cluster".
[[nodiscard]] const char* tier_name(Tier tier) noexcept;

/// A subtree: a set of ranks and the links that join it to the rest.
struct TreeNode {
  Tier tier = Tier::kCluster;
  int parent = -1;            ///< index into nodes(); -1 for the root
  std::vector<int> children;  ///< in order of their smallest rank; empty for kDomain
  std::vector<int> ranks;     ///< communicator ranks of the subtree, ascending
  std::string name;           ///< "node0", "leaf1", ...
  std::string key;            ///< the graph vertex's key (a host's, a switch's), stable over runs; profiles refer to it
  int num_nics = 0;           ///< kNode: NICs that are up; else 0
  double egress_bytes_per_s =
      0;  ///< nominal capacity shared by all data that leaves the subtree; 0: unknown or no limit
  double ingress_bytes_per_s = 0;  ///< the same for data that enters

  bool operator==(const TreeNode&) const = default;
};

/// The tree of a group of ranks. Every rank has exactly one ancestor at each tier from kDomain to kCluster, so levels
/// that do not divide the ranks are present with one child. A value.
class LocalityTree {
 public:
  LocalityTree() = default;

  /// Derives the tree of `ranks` (world ranks of the graph, in communicator order: communicator rank i is ranks[i]).
  /// Error{INVALID_ARGUMENT} if a rank is not in the graph.
  /// Domains: ranks on GPUs that all reach each other by NVLink, directly or through NVSwitch; ranks on the CPU side
  /// whose vertices have equal attribute `memory_domain`. Racks: hosts whose NICs share a switch.
  [[nodiscard]] static LocalityTree derive(const Graph& graph, std::span<const int> ranks);
  /// The tree of all ranks.
  [[nodiscard]] static LocalityTree derive(const Graph& graph);
  /// For tests and planners: hosts given as lists of ranks, each one domain, in one rack, NICs of equal nominal speed.
  /// Error{INVALID_ARGUMENT} unless the lists are not empty and hold each rank from 0 once.
  [[nodiscard]] static LocalityTree from_hosts(const std::vector<std::vector<int>>& hosts, double nic_bytes_per_s);

  [[nodiscard]] int num_ranks() const noexcept { return static_cast<int>(ancestor_.size()); }
  [[nodiscard]] const std::vector<TreeNode>& nodes() const noexcept { return nodes_; }
  [[nodiscard]] const TreeNode& node(int index) const { return nodes_.at(static_cast<size_t>(index)); }
  [[nodiscard]] int root() const noexcept { return root_; }
  /// Index of the subtree of `tier` (kDomain..kCluster) that holds `rank`.
  [[nodiscard]] int ancestor(int rank, Tier tier) const {
    return ancestor_.at(static_cast<size_t>(rank))[static_cast<size_t>(tier)];
  }
  /// Indices of the subtrees of `tier`, in order of their smallest rank.
  [[nodiscard]] std::vector<int> at_tier(Tier tier) const;
  /// The innermost tier at which both are in one subtree; kSelf for i == j.
  [[nodiscard]] Tier common_tier(int i, int j) const;
  [[nodiscard]] bool same_host(int i, int j) const { return ancestor(i, Tier::kNode) == ancestor(j, Tier::kNode); }
  [[nodiscard]] bool mapped(int i, int j) const { return ancestor(i, Tier::kDomain) == ancestor(j, Tier::kDomain); }

  bool operator==(const LocalityTree&) const = default;

 private:
  struct Groups;  ///< the subtree of each rank at each tier, before numbering; in locality_tree.cpp
  static LocalityTree assemble(const Groups& groups);

  std::vector<TreeNode> nodes_;  ///< root, then racks, nodes, domains, each in order of their smallest rank
  std::vector<std::array<int, kNumTiers>> ancestor_;  ///< by rank and tier
  int root_ = -1;
};

}  // namespace banyan::topology
