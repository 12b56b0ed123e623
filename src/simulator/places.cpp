// SPDX-License-Identifier: Apache-2.0
#include "simulator/places.hpp"

#include <string>

#include "base/error.hpp"

namespace banyan::simulator {
namespace {

using topology::Tier;

constexpr std::array kBoundaries = {Tier::kDomain, Tier::kNode, Tier::kRack};

}  // namespace

Places::Places(const topology::LocalityTree& tree, const cost::CostModel& model) : model_(model) {
  if (model.subtrees.size() != tree.nodes().size()) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "the cost model has " + std::to_string(model.subtrees.size()) +
                                                 " subtrees, the locality tree " + std::to_string(tree.nodes().size()));
  }
  const auto add = [this](size_t subtree, bool egress, double capacity) {
    if (capacity <= 0) {
      return -1;
    }
    links_.push_back({static_cast<int>(subtree), egress, capacity});
    return static_cast<int>(links_.size()) - 1;
  };
  for (size_t i = 0; i < model.subtrees.size(); ++i) {
    egress_.push_back(add(i, true, model.subtrees[i].egress_bytes_per_s));
    ingress_.push_back(add(i, false, model.subtrees[i].ingress_bytes_per_s));
  }
  ranks_.resize(static_cast<size_t>(tree.num_ranks()));
  for (const int node : tree.at_tier(Tier::kNode)) {
    for (const int rank : tree.node(node).ranks) {
      ranks_[static_cast<size_t>(rank)].host = num_hosts_;
    }
    ++num_hosts_;
  }
  for (int rank = 0; rank < tree.num_ranks(); ++rank) {
    for (size_t i = 0; i < kNumBoundaries; ++i) {
      ranks_[static_cast<size_t>(rank)].subtree[i] = tree.ancestor(rank, kBoundaries[i]);
    }
  }
}

Route Places::route(int from, int to) const {
  Route route;
  const Rank& a = ranks_[static_cast<size_t>(from)];
  const Rank& b = ranks_[static_cast<size_t>(to)];
  for (size_t i = 0; i < kNumBoundaries && a.subtree[i] != b.subtree[i]; ++i) {
    const int out = egress_[static_cast<size_t>(a.subtree[i])];
    const int in = ingress_[static_cast<size_t>(b.subtree[i])];
    if (out >= 0) {
      route.add(out);
    }
    if (in >= 0) {
      route.add(in);
    }
  }
  return route;
}

const cost::TierCost& Places::cost(int from, int to, schedule::Path path) const {
  const auto& a = ranks_[static_cast<size_t>(from)].subtree;
  const auto& b = ranks_[static_cast<size_t>(to)].subtree;
  const auto tier = [this](Tier of) -> const cost::TierCost& { return model_.tiers[static_cast<size_t>(of)]; };
  if (a[0] == b[0]) {
    return path == schedule::Path::kMapped ? tier(Tier::kDomain) : model_.local_message;
  }
  if (path == schedule::Path::kMapped) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "a mapped message from rank " + std::to_string(from) + " to rank " +
                                                 std::to_string(to) + ", which share no memory");
  }
  return tier(a[1] == b[1] ? Tier::kNode : a[2] == b[2] ? Tier::kRack : Tier::kCluster);
}

}  // namespace banyan::simulator
