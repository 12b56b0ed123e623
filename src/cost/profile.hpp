// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "cost/cost_model.hpp"
#include "topology/locality_tree.hpp"

namespace banyan::cost {

/// Measured rates of one host, or of one rack (then read "other racks" for "other hosts").
struct HostProfile {
  std::string key;   ///< TreeNode::key of the host
  std::string name;  ///< for people
  int num_ranks = 0;
  double egress_bytes_per_s = 0;   ///< all its ranks sending to other hosts at once; 0: unmeasured
  double ingress_bytes_per_s = 0;  ///< all its ranks receiving from other hosts at once; 0: unmeasured

  bool operator==(const HostProfile&) const = default;
};

/// Hosts that share uplinks, inferred from rates, and what these carry to and from all other hosts together.
struct InferredRack {
  std::vector<int> hosts;          ///< positions in Profile::hosts, ascending
  double egress_bytes_per_s = 0;   ///< 0: no limit beyond the hosts' NICs was found
  double ingress_bytes_per_s = 0;  ///< 0: no limit beyond the hosts' NICs was found

  bool operator==(const InferredRack&) const = default;
};

/// What banyan-profile measured; the file's content. A value.
struct Profile {
  std::string created;    ///< UTC, ISO 8601
  std::string transport;  ///< e.g. "shm,ucx"
  int num_ranks = 0;
  std::array<TierCost, topology::kNumTiers> tiers{};
  TierCost local_message{};
  std::vector<HostProfile> hosts;  ///< in order of smallest rank
  std::vector<HostProfile> racks;  ///< where there are several
  /// Each host is in one, in order of their first; empty: no uplink is a limit. None: not looked for, since the
  /// topology told the racks or the profile is of one host, or of too many.
  std::optional<std::vector<InferredRack>> inferred_racks;
  /// [hosts, hosts] row-major, row to column, in rounds of disjoint pairs; 0: unmeasured.
  std::vector<double> host_pair_bytes_per_s;
  double copy_bytes_per_s = 0;
  double host_copy_bytes_per_s = 0;

  bool operator==(const Profile&) const = default;
};

/// Bounds of a profile from outside.
inline constexpr size_t kMaxProfileHosts = 4096;
inline constexpr int kMaxProfileRanks = 1 << 20;
inline constexpr size_t kMaxProfileNameBytes = 1024;

/// docs/profile-format.md, `"format": "banyan-profile-1"`. Holds what is measured; the rest comes back as zero.
[[nodiscard]] std::string to_json(const Profile& profile);
/// Checks everything; the error names the member, e.g. "hosts[1].egress_bytes_per_s: ...".
[[nodiscard]] Result<Profile> profile_from_json(std::string_view text);

/// Speeds from the tree's nominal figures; where those are unknown, from documented defaults.
[[nodiscard]] CostModel nominal_model(const topology::LocalityTree& tree);
/// Measured where `profile` has it (hosts and racks matched by key, else by a name that is unique on both sides). A
/// tier that was not measured takes the nearest one that was (rack and cluster stand in for each other, node and
/// local_message too), with `measured` false; what is left is nominal.
[[nodiscard]] CostModel measured_model(const topology::LocalityTree& tree, const Profile& profile);

}  // namespace banyan::cost
