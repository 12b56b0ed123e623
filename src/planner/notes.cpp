// SPDX-License-Identifier: Apache-2.0
#include "planner/notes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.hpp"

namespace banyan::planner {
namespace {

using topology::Tier;
using topology::TreeNode;

constexpr size_t kMaxNames = 3;

[[noreturn]] void reject(const std::string& message) { throw Error(BANYAN_ERR_INVALID_ARGUMENT, message); }

bool is_figure(double value) { return std::isfinite(value) && value >= 0; }

void check_tier(const cost::TierCost& tier, const std::string& name) {
  if (!is_figure(tier.alpha_s) || !is_figure(tier.overhead_s) || !is_figure(tier.gap_s) ||
      !is_figure(tier.flow_bytes_per_s)) {
    reject("the cost model's figures for messages of tier \"" + name + "\" are not all finite and at least 0");
  }
}

/// "node0", "node0 and node1", "node0, node1, node2 and 5 more".
std::string list_names(const std::vector<std::string>& names) {
  const size_t shown = names.size() > kMaxNames + 1 ? kMaxNames : names.size();
  std::string out;
  for (size_t i = 0; i < shown; ++i) {
    out += i == 0 ? "" : i + 1 == names.size() ? " and " : ", ";
    out += names[i];
  }
  return shown < names.size() ? fmt::format("{} and {} more", out, names.size() - shown) : out;
}

/// Gathers sentences.
class Notes {
 public:
  explicit Notes(const Situation& situation) : tree_(situation.tree), model_(situation.model) {}

  void note_demand(const Demand& demand) {
    const bool nothing = demand.uniform() ? demand.block_bytes == 0
                                          : std::all_of(demand.matrix.begin(), demand.matrix.end(),
                                                        [](uint64_t bytes) { return bytes == 0; });
    if (nothing) {
      notes_.emplace_back("nothing is to be sent: all pairs have 0 bytes; times are those of empty messages");
    }
    if (tree_.num_ranks() == 1) {
      notes_.emplace_back("one rank has nobody to exchange with: its block is copied");
    }
  }

  void note_hosts() {
    std::vector<std::string> unknown;
    std::vector<std::string> unmeasured;
    for (const int index : tree_.at_tier(Tier::kNode)) {
      const TreeNode& node = tree_.node(index);
      const bool told = node.egress_bytes_per_s > 0 && node.ingress_bytes_per_s > 0;
      if (tree_.at_tier(Tier::kNode).size() == 1 || capacity(index).measured) {
        continue;
      }
      (told ? unmeasured : unknown).push_back(node.name);
    }
    if (!unknown.empty()) {
      notes_.push_back(
          fmt::format("the topology gives no rate for the NICs of {}: 10 Gbit/s each is assumed", list_names(unknown)));
    }
    if (model_.measured && !unmeasured.empty()) {
      notes_.push_back(
          fmt::format("the profile has no rates of {}: the topology's are used; was it taken on other hosts?",
                      list_names(unmeasured)));
    }
  }

  void note_racks() {
    const std::vector<int> racks = tree_.at_tier(Tier::kRack);
    std::vector<std::string> unlimited;
    for (const int index : racks) {
      if (racks.size() > 1 && (capacity(index).egress_bytes_per_s <= 0 || capacity(index).ingress_bytes_per_s <= 0)) {
        unlimited.push_back(tree_.node(index).name);
      }
    }
    if (!unlimited.empty()) {
      notes_.push_back(fmt::format("no rate is known for the uplinks of {}: they are taken to have no limit",
                                   list_names(unlimited)));
    }
  }

  /// Tiers that some pair of ranks is on.
  void note_tiers() {
    if (!model_.measured) {
      return;
    }
    std::vector<std::string> missing;
    for (const auto& [tier, used] :
         {std::pair(Tier::kDomain, has_inner(Tier::kDomain)), std::pair(Tier::kNode, several_below(Tier::kNode)),
          std::pair(Tier::kRack, several_below(Tier::kRack)),
          std::pair(Tier::kCluster, several_below(Tier::kCluster))}) {
      if (used && !model_.tiers[static_cast<size_t>(tier)].measured) {
        missing.emplace_back(topology::tier_name(tier));
      }
    }
    if (!missing.empty()) {
      notes_.push_back(fmt::format(
          "the profile did not measure messages of tier {}: figures of the nearest tier, or nominal ones, are used",
          list_names(missing)));
    }
  }

  std::vector<std::string> take() { return std::move(notes_); }

 private:
  [[nodiscard]] const cost::SubtreeCapacity& capacity(int index) const {
    return model_.subtrees[static_cast<size_t>(index)];
  }
  [[nodiscard]] bool has_inner(Tier tier) const {
    const std::vector<int> nodes = tree_.at_tier(tier);
    return std::any_of(nodes.begin(), nodes.end(), [&](int node) { return tree_.node(node).ranks.size() > 1; });
  }
  /// Whether a subtree of `tier` has several children: then `tier` is the innermost one of some pair.
  [[nodiscard]] bool several_below(Tier tier) const {
    const std::vector<int> nodes = tree_.at_tier(tier);
    return std::any_of(nodes.begin(), nodes.end(), [&](int node) { return tree_.node(node).children.size() > 1; });
  }

  const topology::LocalityTree& tree_;
  const cost::CostModel& model_;
  std::vector<std::string> notes_;
};

}  // namespace

std::vector<std::string> planning_notes(const Situation& situation, const Demand& demand) {
  Notes notes(situation);
  notes.note_demand(demand);
  notes.note_hosts();
  notes.note_racks();
  notes.note_tiers();
  return notes.take();
}

void check_situation(const Situation& situation, const Demand& demand) {
  const auto ranks = static_cast<size_t>(situation.tree.num_ranks());
  if (ranks == 0) {
    reject("the topology has no ranks, so there is nothing to plan; banyan-topo shows what it has");
  }
  if (situation.hosts.num_ranks() != situation.tree.num_ranks()) {
    reject(fmt::format("hosts of {} ranks for a tree of {}", situation.hosts.num_ranks(), ranks));
  }
  if (!demand.uniform() && demand.matrix.size() != ranks * ranks) {
    reject(fmt::format("a traffic matrix of {} entries for {} ranks; expected {}", demand.matrix.size(), ranks,
                       ranks * ranks));
  }
  const cost::CostModel& model = situation.model;
  if (model.subtrees.size() != situation.tree.nodes().size()) {
    reject(fmt::format("a cost model of {} subtrees for a tree of {}: it was made for another topology",
                       model.subtrees.size(), situation.tree.nodes().size()));
  }
  for (size_t tier = 0; tier < model.tiers.size(); ++tier) {
    check_tier(model.tiers[tier], topology::tier_name(static_cast<Tier>(tier)));
  }
  check_tier(model.local_message, "local_message");
  for (size_t i = 0; i < model.subtrees.size(); ++i) {
    if (!is_figure(model.subtrees[i].egress_bytes_per_s) || !is_figure(model.subtrees[i].ingress_bytes_per_s)) {
      reject("the cost model's capacity of " + situation.tree.nodes()[i].name + " is not finite and at least 0");
    }
  }
  if (!is_figure(model.copy_bytes_per_s) || !is_figure(model.host_copy_bytes_per_s)) {
    reject("the cost model's copy rates are not finite and at least 0");
  }
}

}  // namespace banyan::planner
