// SPDX-License-Identifier: Apache-2.0
#include "simulator/places.hpp"

#include <algorithm>
#include <string>

#include "base/error.hpp"

namespace banyan::simulator {
namespace {

using topology::Tier;

constexpr std::array kBoundaries = {Tier::kDomain, Tier::kNode, Tier::kRack};

}  // namespace

Places::Places(const topology::LocalityTree& tree, const cost::CostModel& model, const std::vector<double>& rail_shares)
    : model_(model), num_rails_(std::max(1, static_cast<int>(rail_shares.size()))) {
  if (model.subtrees.size() != tree.nodes().size()) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "the cost model has " + std::to_string(model.subtrees.size()) +
                                                 " subtrees, the locality tree " + std::to_string(tree.nodes().size()));
  }
  add_links(tree, rail_shares);
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

void Places::add_links(const topology::LocalityTree& tree, const std::vector<double>& rail_shares) {
  if (std::any_of(rail_shares.begin(), rail_shares.end(), [](double share) { return !(share > 0); })) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "a rail has no share of its hosts' capacity");
  }
  const auto add = [&](size_t subtree, bool egress, double capacity) {
    if (capacity <= 0) {
      return -1;
    }
    const auto first = static_cast<int>(links_.size());
    const bool has_rails = num_rails_ > 1 && tree.nodes()[subtree].tier == Tier::kNode;
    for (int rail = 0; rail < (has_rails ? num_rails_ : 1); ++rail) {
      const double share = has_rails ? rail_shares[static_cast<size_t>(rail)] : 1;
      links_.push_back({static_cast<int>(subtree), egress, rail, capacity * share});
    }
    return first;
  };
  for (size_t i = 0; i < model_.subtrees.size(); ++i) {
    egress_.push_back(add(i, true, model_.subtrees[i].egress_bytes_per_s));
    ingress_.push_back(add(i, false, model_.subtrees[i].ingress_bytes_per_s));
  }
}

Route Places::route(int from, int to, int rail) const {
  Route route;
  const Rank& a = ranks_[static_cast<size_t>(from)];
  const Rank& b = ranks_[static_cast<size_t>(to)];
  for (size_t i = 0; i < kNumBoundaries && a.subtree[i] != b.subtree[i]; ++i) {
    const int out = egress_[static_cast<size_t>(a.subtree[i])];
    const int in = ingress_[static_cast<size_t>(b.subtree[i])];
    const int card = kBoundaries[i] == Tier::kNode && num_rails_ > 1 ? rail : 0;
    if (out >= 0) {
      route.add(out + card);
    }
    if (in >= 0) {
      route.add(in + card);
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
