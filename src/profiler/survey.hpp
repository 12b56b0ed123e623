// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "cost/profile.hpp"
#include "profiler/probe.hpp"
#include "profiler/runner.hpp"
#include "profiler/uplinks.hpp"

namespace banyan::profiler {

/// The probes of a communicator, in an order in which later ones may use the results of earlier ones, and the profile
/// that the results add up to. Equal on all ranks.
class Survey {
 public:
  /// Both are borrowed; `results` is filled by the caller as probes finish.
  Survey(Runner& runner, const Results& results);

  [[nodiscard]] std::vector<Probe> probes();
  /// After those: what follows from the results so far and has none yet; until it is empty.
  [[nodiscard]] std::vector<Probe> next_probes();
  /// About how many those will be.
  [[nodiscard]] int expected_probes() const { return infers_ ? uplinks_.expected_probes() : 0; }
  /// Once all probes have results; `created` is left to the caller.
  [[nodiscard]] cost::Profile profile() const;

 private:
  /// A tier that some pair of ranks is on, and that pair.
  struct Target {
    std::string name;
    topology::Tier tier = topology::Tier::kDomain;
    int a = 0;
    int b = 0;
  };

  void find_targets();
  void add_target(const char* name, topology::Tier tier);
  void add_pair_probes(std::vector<Probe>& probes);
  void add_capacity_probes(std::vector<Probe>& probes);
  [[nodiscard]] const std::vector<int>& ranks(int host) const { return hosts_[static_cast<size_t>(host)]->ranks; }
  [[nodiscard]] int num_hosts() const { return static_cast<int>(hosts_.size()); }
  [[nodiscard]] double number(const std::string& probe, size_t index = 0) const { return results_.at(probe).at(index); }
  /// The pairs that a round of the tournament measures, as from -> to.
  [[nodiscard]] std::vector<std::pair<int, int>> round_pairs(size_t round, bool back) const;
  [[nodiscard]] std::vector<double> host_pairs() const;
  [[nodiscard]] std::vector<double> message_costs(const Target& target, double target_s);
  [[nodiscard]] double flow_rate(const Target& target, double target_s);
  [[nodiscard]] double host_rate(int host, Direction direction, double target_s);
  [[nodiscard]] double rack_rate(int rack, Direction direction, double target_s);
  [[nodiscard]] double host_capacity(int host, Direction direction) const;
  [[nodiscard]] std::vector<HostRate> host_capacities() const;
  [[nodiscard]] std::vector<HostRate> nic_rates() const;
  [[nodiscard]] std::vector<cost::InferredRack> known_racks() const;
  [[nodiscard]] cost::TierCost tier_cost(const Target& target) const;

  Runner& runner_;
  const Results& results_;
  comm::Communicator& comm_;
  const topology::LocalityTree& tree_;
  std::vector<const topology::TreeNode*> hosts_;
  std::vector<const topology::TreeNode*> racks_;
  std::vector<std::vector<std::pair<int, int>>> rounds_;
  std::vector<Target> targets_;
  bool infers_;  ///< nobody told of racks
  UplinkSurvey uplinks_;
};

}  // namespace banyan::profiler
