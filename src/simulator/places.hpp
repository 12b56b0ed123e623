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
  double capacity_bytes_per_s = 0;
};

/// What a message between two ranks crosses and costs, looked up in O(1). Borrows the model.
class Places {
 public:
  /// Error{INVALID_ARGUMENT} if the model is of another tree.
  Places(const topology::LocalityTree& tree, const cost::CostModel& model);

  [[nodiscard]] int num_ranks() const noexcept { return static_cast<int>(ranks_.size()); }
  [[nodiscard]] int num_hosts() const noexcept { return num_hosts_; }
  /// From 0.
  [[nodiscard]] int host_of(int rank) const { return ranks_[static_cast<size_t>(rank)].host; }
  /// By subtree, egress first.
  [[nodiscard]] const std::vector<SharedLink>& links() const noexcept { return links_; }
  /// Indices into links().
  [[nodiscard]] Route route(int from, int to) const;
  /// Error{INVALID_ARGUMENT} if they share no memory and the path is kMapped.
  [[nodiscard]] const cost::TierCost& cost(int from, int to, schedule::Path path) const;

 private:
  /// Of domain, host and rack, innermost first.
  static constexpr size_t kNumBoundaries = 3;
  struct Rank {
    int host = 0;
    std::array<int, kNumBoundaries> subtree{};
  };

  const cost::CostModel& model_;
  int num_hosts_ = 0;
  std::vector<Rank> ranks_;
  std::vector<SharedLink> links_;
  std::vector<int> egress_;   ///< by subtree: index into links_, -1: no limit
  std::vector<int> ingress_;  ///< the same
};

}  // namespace banyan::simulator
