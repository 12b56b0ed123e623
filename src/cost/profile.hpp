// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "cost/cost_model.hpp"
#include "topology/locality_tree.hpp"

namespace banyan::cost {

/// Measured rates of one host.
struct HostProfile {
  std::string key;   ///< TreeNode::key of the host
  std::string name;  ///< for people
  int num_ranks = 0;
  double egress_bytes_per_s = 0;   ///< all its ranks sending to other hosts at once
  double ingress_bytes_per_s = 0;  ///< all its ranks receiving from other hosts at once

  bool operator==(const HostProfile&) const = default;
};

/// What banyan-profile measured; the file's content. A value.
struct Profile {
  std::string created;   ///< UTC, ISO 8601
  std::string transport; ///< e.g. "shm,ucx"
  int num_ranks = 0;
  std::array<TierCost, topology::kNumTiers> tiers{};
  TierCost local_message{};
  std::vector<HostProfile> hosts;             ///< in order of smallest rank
  std::vector<double> host_pair_bytes_per_s;  ///< [hosts, hosts] row-major, row to column, one pair at a time; 0: unmeasured
  double copy_bytes_per_s = 0;
  double host_copy_bytes_per_s = 0;

  bool operator==(const Profile&) const = default;
};

/// docs/profile-format.md, `"format": "banyan-profile-1"`.
[[nodiscard]] std::string to_json(const Profile& profile);
[[nodiscard]] Result<Profile> profile_from_json(std::string_view text);

/// Speeds from the tree's nominal figures; where those are unknown, from documented defaults.
[[nodiscard]] CostModel nominal_model(const topology::LocalityTree& tree);
/// Measured where `profile` has it (hosts matched by key, else by name), nominal elsewhere.
[[nodiscard]] CostModel measured_model(const topology::LocalityTree& tree, const Profile& profile);

}  // namespace banyan::cost
