// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <vector>

#include "cost/cost_model.hpp"
#include "schedule/schedule.hpp"
#include "simulator/network.hpp"
#include "topology/locality_tree.hpp"

namespace banyan::simulator {

/// A limited direction of a subtree's boundary.
struct SharedLink {
  int subtree = 0;  ///< index of LocalityTree::nodes()
  bool egress = false;
  int rail = 0;  ///< hosts, where their cards are told apart
  double capacity_bytes_per_s = 0;
};

/// What a message between two ranks crosses and costs, looked up in O(1). Borrows the model.
class Places {
 public:
  /// `rail_shares` as in Options. Error{INVALID_ARGUMENT} if the model is of another tree, or a share is not above 0.
  Places(const topology::LocalityTree& tree, const cost::CostModel& model, const std::vector<double>& rail_shares);

  [[nodiscard]] int num_ranks() const noexcept { return static_cast<int>(ranks_.size()); }
  [[nodiscard]] int num_hosts() const noexcept { return num_hosts_; }
  /// From 0.
  [[nodiscard]] int host_of(int rank) const { return ranks_[static_cast<size_t>(rank)].host; }
  /// By subtree, egress first; of a host by rail.
  [[nodiscard]] const std::vector<SharedLink>& links() const noexcept { return links_; }
  /// Indices into links().
  [[nodiscard]] Route route(int from, int to, int rail) const;
  /// Error{INVALID_ARGUMENT} if they share no memory and the path is kMapped.
  [[nodiscard]] const cost::TierCost& cost(int from, int to, schedule::Path path) const;

 private:
  /// Of domain, host and rack, innermost first.
  static constexpr size_t kNumBoundaries = 3;
  struct Rank {
    int host = 0;
    std::array<int, kNumBoundaries> subtree{};
  };

  void add_links(const topology::LocalityTree& tree, const std::vector<double>& rail_shares);

  const cost::CostModel& model_;
  int num_rails_ = 1;
  int num_hosts_ = 0;
  std::vector<Rank> ranks_;
  std::vector<SharedLink> links_;
  std::vector<int> egress_;   ///< by subtree: index into links_, of a host that of its first rail, -1: no limit
  std::vector<int> ingress_;  ///< the same
};

}  // namespace banyan::simulator
