// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string>
#include <vector>

#include "topology/locality_tree.hpp"

namespace banyan::cost {

/// What a message between two ranks costs, by the innermost tier that holds both.
struct TierCost {
  double alpha_s = 0;           ///< one-way time of an empty message, overheads at both ends included
  double overhead_s = 0;        ///< o: time a rank is busy per message, at each end
  double gap_s = 0;             ///< g: the same of a host, whichever of its ranks a message belongs to; 0: no limit
  double flow_bytes_per_s = 0;  ///< one flow alone
  bool measured = false;

  bool operator==(const TierCost&) const = default;
};

/// The part of a message's overheads (o or g, at both ends) that alpha, half a quiet round trip, is taken to hold where
/// ranks send and receive at once: fitted with the shares of planner::Prediction::total_s, see there.
inline constexpr double kInLatency = 0.5;

/// Capacity shared by everything that leaves or enters a subtree of the locality tree.
struct SubtreeCapacity {
  double egress_bytes_per_s = 0;   ///< 0: no limit
  double ingress_bytes_per_s = 0;  ///< 0: no limit
  bool measured = false;

  bool operator==(const SubtreeCapacity&) const = default;
};

/// What times of a communicator's exchanges are predicted from (planner/predict.hpp; docs/cost-model.md has the
/// formula). A value, equal on all ranks of a communicator.
struct CostModel {
  std::array<TierCost, topology::kNumTiers> tiers{};  ///< by Tier; kDomain: writes into mapped memory
  TierCost local_message{};                           ///< kMessage path between ranks of one host
  std::vector<SubtreeCapacity> subtrees;              ///< by index of LocalityTree::nodes()
  double copy_bytes_per_s = 0;                        ///< packing, one core
  double host_copy_bytes_per_s = 0;                   ///< all ranks of a host copying at once, together; 0: no limit
  bool measured = false;                              ///< a profile was used
  std::string source;                                 ///< "nominal", or the profile's name and date

  bool operator==(const CostModel&) const = default;
};

}  // namespace banyan::cost
