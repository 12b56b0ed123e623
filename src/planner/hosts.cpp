// SPDX-License-Identifier: Apache-2.0
#include "planner/hosts.hpp"

namespace banyan::planner {

Hosts::Hosts(const topology::LocalityTree& tree)
    : host_of_(static_cast<size_t>(tree.num_ranks())), local_index_(host_of_.size()), domain_of_(host_of_.size()) {
  for (const int node : tree.at_tier(topology::Tier::kNode)) {
    const int host = count();
    ranks_.push_back(tree.node(node).ranks);
    tree_node_.push_back(node);
    for (size_t i = 0; i < ranks_.back().size(); ++i) {
      const auto rank = static_cast<size_t>(ranks_.back()[i]);
      host_of_[rank] = host;
      local_index_[rank] = static_cast<int>(i);
      domain_of_[rank] = tree.ancestor(ranks_.back()[i], topology::Tier::kDomain);
    }
  }
}

}  // namespace banyan::planner
