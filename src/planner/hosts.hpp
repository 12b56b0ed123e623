// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "topology/locality_tree.hpp"

namespace banyan::planner {

/// The hosts of a communicator as planners walk them: ranks by host and by rack, and each rank's place. A value.
class Hosts {
 public:
  explicit Hosts(const topology::LocalityTree& tree);

  [[nodiscard]] int count() const noexcept { return static_cast<int>(ranks_.size()); }
  [[nodiscard]] int num_ranks() const noexcept { return static_cast<int>(host_of_.size()); }
  [[nodiscard]] const std::vector<int>& ranks(int host) const { return ranks_[static_cast<size_t>(host)]; }
  [[nodiscard]] int size(int host) const { return static_cast<int>(ranks(host).size()); }
  [[nodiscard]] int host_of(int rank) const { return host_of_[static_cast<size_t>(rank)]; }
  /// The rank's position among its host's ranks.
  [[nodiscard]] int local_index(int rank) const { return local_index_[static_cast<size_t>(rank)]; }
  /// Whether two ranks can load and store each other's memory. A host may hold several such domains (containers).
  [[nodiscard]] bool share_memory(int a, int b) const {
    return domain_of_[static_cast<size_t>(a)] == domain_of_[static_cast<size_t>(b)];
  }
  [[nodiscard]] int num_racks() const noexcept { return static_cast<int>(rack_ranks_.size()); }
  [[nodiscard]] int rack_of_host(int host) const { return rack_of_host_[static_cast<size_t>(host)]; }
  [[nodiscard]] int rack_of(int rank) const { return rack_of_host(host_of(rank)); }
  /// A rack's ranks, host by host.
  [[nodiscard]] const std::vector<int>& rack_ranks(int rack) const { return rack_ranks_[static_cast<size_t>(rack)]; }
  /// The rank's position among them.
  [[nodiscard]] int rack_index(int rank) const { return rack_index_[static_cast<size_t>(rank)]; }
  /// Index of the host's, or the rack's, node in LocalityTree::nodes().
  [[nodiscard]] int tree_node(int host) const { return tree_node_[static_cast<size_t>(host)]; }
  [[nodiscard]] int rack_node(int rack) const { return rack_node_[static_cast<size_t>(rack)]; }
  /// The host `distance` further round the ring of hosts.
  [[nodiscard]] int next(int host, int distance) const { return (host + distance) % count(); }
  [[nodiscard]] int previous(int host, int distance) const { return (host + count() - distance) % count(); }

 private:
  std::vector<std::vector<int>> ranks_;
  std::vector<int> host_of_;
  std::vector<int> local_index_;
  std::vector<int> domain_of_;
  std::vector<int> tree_node_;
  std::vector<int> rack_node_;
  std::vector<int> rack_of_host_;
  std::vector<std::vector<int>> rack_ranks_;
  std::vector<int> rack_index_;
};

}  // namespace banyan::planner
