// SPDX-License-Identifier: Apache-2.0
#include "planner/hosts.hpp"

#include <algorithm>

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
  rack_of_host_.resize(ranks_.size());
  rack_index_.resize(host_of_.size());
  const std::vector<int> racks = tree.at_tier(topology::Tier::kRack);
  rack_ranks_.resize(racks.size());
  rack_node_ = racks;
  for (int host = 0; host < count(); ++host) {
    const int node = tree.ancestor(ranks(host)[0], topology::Tier::kRack);
    const auto rack = static_cast<size_t>(std::find(racks.begin(), racks.end(), node) - racks.begin());
    rack_of_host_[static_cast<size_t>(host)] = static_cast<int>(rack);
    for (const int rank : ranks(host)) {
      rack_index_[static_cast<size_t>(rank)] = static_cast<int>(rack_ranks_[rack].size());
      rack_ranks_[rack].push_back(rank);
    }
  }
}

}  // namespace banyan::planner
