// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cost/profile.hpp"
#include "profiler/probe.hpp"
#include "profiler/rack_finder.hpp"
#include "profiler/runner.hpp"
#include "topology/locality_tree.hpp"

namespace banyan::profiler {

/// What a host's NICs reach each way, bytes/s.
struct HostRate {
  double egress_bytes_per_s = 0;
  double ingress_bytes_per_s = 0;
};

enum class Direction : uint8_t { kEgress, kIngress };

/// The part of a survey that finds racks of which nobody told, and the capacity of their uplinks. Equal on all ranks.
class UplinkSurvey {
 public:
  /// `hosts`: subtrees of the hosts. `make_rates` is called after the probes that come before. Runner, results and
  /// subtrees are borrowed.
  UplinkSurvey(Runner& runner, const Results& results, std::vector<const topology::TreeNode*> hosts,
               std::function<std::vector<HostRate>()> make_rates);

  /// More hosts are not surveyed: rounds are as many as hosts.
  static constexpr int kMostHosts = 1024;

  /// Rounds of pairs, a probe each; none for few or too many hosts.
  [[nodiscard]] std::vector<Probe> rounds();
  /// What follows from the results so far and has none yet: the capacities of what the rounds found, then again, where
  /// racks differ much with loads that fit them. Empty at the end.
  [[nodiscard]] std::vector<Probe> next_probes();
  /// About how many probes next_probes will add.
  [[nodiscard]] int expected_probes() const;
  /// By index of the hosts; empty: no uplink is a limit; none: not surveyed.
  [[nodiscard]] std::optional<std::vector<cost::InferredRack>> racks() const;

 private:
  [[nodiscard]] int num_hosts() const { return static_cast<int>(hosts_.size()); }
  [[nodiscard]] int num_rounds() const;
  [[nodiscard]] const RackFinder& finder(int num_rounds) const;
  [[nodiscard]] const std::vector<HostRate>& rates() const;
  [[nodiscard]] std::vector<double> run_round(int round, double target_s);
  [[nodiscard]] Clusters found() const;
  [[nodiscard]] std::string uplink_name(const std::vector<int>& rack, Direction direction) const;
  [[nodiscard]] std::vector<Probe> capacity_probes(const Clusters& racks, bool again);
  [[nodiscard]] double capacity(const Clusters& racks, size_t rack, Direction direction) const;
  [[nodiscard]] double measured(const std::vector<int>& rack, Direction direction) const;
  [[nodiscard]] bool has(const std::string& probe) const;
  /// What the hosts of a rack could do together if nothing but NICs were a limit.
  [[nodiscard]] double unlimited(const std::vector<int>& rack, Direction direction) const;
  [[nodiscard]] double nics(const std::vector<int>& rack, Direction direction) const;
  [[nodiscard]] bool differ(const Clusters& racks) const;
  [[nodiscard]] std::vector<double> weights(const Clusters& racks, size_t rack, Direction direction, bool again) const;
  [[nodiscard]] double measure(const Clusters& racks, size_t rack, Direction direction, bool again, double target_s);

  Runner& runner_;
  const Results& results_;
  std::vector<const topology::TreeNode*> hosts_;
  std::function<std::vector<HostRate>()> make_rates_;
  // Made when first wanted, of results that do not change any more.
  mutable std::vector<HostRate> rates_;
  mutable std::optional<RackFinder> finder_;
  mutable int finder_rounds_ = 0;
};

/// Bytes/s from the hosts `inside` to the others at once, or back: each pair's part is in proportion to what both can
/// do times the weight of the one outside; of at most 32 of those per host inside, evenly spread.
[[nodiscard]] double group_rate(Runner& runner, const std::vector<const topology::TreeNode*>& hosts,
                                const std::vector<HostRate>& rates, const std::vector<double>& weights,
                                Direction direction, double target_s);

}  // namespace banyan::profiler
