// SPDX-License-Identifier: Apache-2.0
#include "cost/cost_model.hpp"

#include <algorithm>
#include <map>

#include "cost/inferred_racks.hpp"
#include "cost/profile.hpp"

namespace banyan::cost {
namespace {

using topology::LocalityTree;
using topology::Tier;
using topology::TreeNode;

size_t slot(Tier tier) { return static_cast<size_t>(tier); }

/// Nominal figures where the topology has none; docs/cost-model.md repeats them with their sources. The measurements
/// are of 2026-11-22, UCX 1.13.1, 2 cores of an AMD EPYC, Linux 6.18.

/// memcpy of 64 MiB by both cores at once moved 7 to 8 GB/s each; buffers straight from a network are colder.
constexpr double kCopyBytesPerS = 5e9;
/// Two channels of DDR4-3200 (51 GB/s peak, about 40 sustained) read and write each copied byte once.
constexpr double kHostCopyBytesPerS = 20e9;
/// A write into a peer's memory and its flag: two cache-line transfers and the peer's poll, 0.1 to 0.2 us each.
constexpr TierCost kMapped{.alpha_s = 0.5e-6, .overhead_s = 0.1e-6, .flow_bytes_per_s = kCopyBytesPerS};
/// `ucx_perftest -t tag_lat`, UCX_TLS=sysv: 0.6 to 12 us (median of the average and the worst window: 2), 4.3 GB/s at 1
/// MiB.
constexpr TierCost kLocalMessage{.alpha_s = 2e-6, .overhead_s = 0.3e-6, .flow_bytes_per_s = 4e9};
/// TCP in a rack: 20 to 50 us one way are usual; `ucx_perftest -t tag_bw -s 8`, UCX_TLS=tcp: 1.7 us per message.
constexpr double kTcpAlphaS = 25e-6;
constexpr double kTcpOverheadS = 1.7e-6;
/// RDMA: 1.5 to 3 us one way through one switch, 0.5 to 1 us per message (reference cpu-peers.md section 7).
constexpr double kRdmaAlphaS = 2.5e-6;
constexpr double kRdmaOverheadS = 0.5e-6;
/// NICs from 100 Gbit/s on are taken for RDMA ones.
constexpr double kRdmaNicBytesPerS = 12.5e9;
/// Two more switches on the way to another rack, 0.5 us each (cut-through switches with a hop of cable).
constexpr double kSpineAlphaS = 1e-6;
/// 10 Gbit/s, which Linux also reports for virtual NICs.
constexpr double kNicBytesPerS = 1.25e9;

int nic_count(const TreeNode& host) { return std::max(1, host.num_nics); }

SubtreeCapacity nominal_capacity(const TreeNode& node) {
  SubtreeCapacity capacity{node.egress_bytes_per_s, node.ingress_bytes_per_s, false};
  if (node.tier != Tier::kNode) {
    return capacity;
  }
  const double fallback = kNicBytesPerS * nic_count(node);
  capacity.egress_bytes_per_s = capacity.egress_bytes_per_s > 0 ? capacity.egress_bytes_per_s : fallback;
  capacity.ingress_bytes_per_s = capacity.ingress_bytes_per_s > 0 ? capacity.ingress_bytes_per_s : fallback;
  return capacity;
}

/// What one flow may reach between the hosts with the fastest NICs. Slower hosts are limited by their own capacity,
/// which every prediction takes into account besides.
double fastest_flow(const LocalityTree& tree, const std::vector<SubtreeCapacity>& subtrees) {
  double fastest = 0;
  for (const int index : tree.at_tier(Tier::kNode)) {
    const SubtreeCapacity& capacity = subtrees[static_cast<size_t>(index)];
    fastest = std::max(
        fastest, std::min(capacity.egress_bytes_per_s, capacity.ingress_bytes_per_s) / nic_count(tree.node(index)));
  }
  return fastest > 0 ? fastest : kNicBytesPerS;
}

/// The names that exactly one of `items` has, with its position.
template <typename Items>
std::map<std::string, size_t> unique_names(const Items& items, bool (*counts)(const typename Items::value_type&)) {
  std::map<std::string, size_t> position;
  std::map<std::string, int> uses;
  for (size_t i = 0; i < items.size(); ++i) {
    if (counts(items[i])) {
      position[items[i].name] = i;
      ++uses[items[i].name];
    }
  }
  std::erase_if(position, [&](const auto& entry) { return uses[entry.first] > 1; });
  return position;
}

/// Puts measured capacities of hosts (or racks) in the place of nominal ones; whether there were any.
bool apply(const LocalityTree& tree, Tier tier, const std::vector<HostProfile>& measured, CostModel& model) {
  std::map<std::string, size_t> by_key;
  for (size_t i = 0; i < measured.size(); ++i) {
    by_key.emplace(measured[i].key, i);
  }
  const auto profile_names = unique_names(measured, [](const HostProfile&) { return true; });
  const auto tree_names = tier == Tier::kNode
                              ? unique_names(tree.nodes(), [](const TreeNode& n) { return n.tier == Tier::kNode; })
                              : unique_names(tree.nodes(), [](const TreeNode& n) { return n.tier == Tier::kRack; });
  bool any = false;
  for (const int index : tree.at_tier(tier)) {
    const TreeNode& node = tree.node(index);
    auto found = by_key.find(node.key);
    if (found == by_key.end()) {
      const auto named = profile_names.find(node.name);
      if (named == profile_names.end() || tree_names.count(node.name) == 0) {
        continue;
      }
      found = by_key.find(measured[named->second].key);
    }
    const HostProfile& host = measured[found->second];
    SubtreeCapacity& capacity = model.subtrees[static_cast<size_t>(index)];
    if (host.egress_bytes_per_s > 0) {
      capacity.egress_bytes_per_s = host.egress_bytes_per_s;
    }
    if (host.ingress_bytes_per_s > 0) {
      capacity.ingress_bytes_per_s = host.ingress_bytes_per_s;
    }
    capacity.measured = host.egress_bytes_per_s > 0 && host.ingress_bytes_per_s > 0;
    any = any || host.egress_bytes_per_s > 0 || host.ingress_bytes_per_s > 0;
  }
  return any;
}

/// The uplinks of inferred racks, by the keys that add_inferred_racks gives.
std::vector<HostProfile> inferred_uplinks(const Profile& profile) {
  std::vector<HostProfile> uplinks;
  for (size_t rack = 0; profile.inferred_racks && rack < profile.inferred_racks->size(); ++rack) {
    const InferredRack& of = (*profile.inferred_racks)[rack];
    const std::string key = inferred_rack_key(rack);
    uplinks.push_back({key, key, 0, of.egress_bytes_per_s, of.ingress_bytes_per_s});
  }
  return uplinks;
}

/// `own` if it was measured, else `neighbour` as an estimate, else what `target` has.
bool take(TierCost& target, const TierCost& own, const TierCost& neighbour) {
  if (own.measured) {
    target = own;
  } else if (neighbour.measured) {
    target = neighbour;
    target.measured = false;
  }
  return own.measured || neighbour.measured;
}

bool apply_tiers(const Profile& profile, CostModel& model) {
  const auto& from = profile.tiers;
  auto& to = model.tiers;
  bool any = take(to[slot(Tier::kSelf)], from[slot(Tier::kSelf)], {});
  any |= take(to[slot(Tier::kDomain)], from[slot(Tier::kDomain)], {});
  any |= take(to[slot(Tier::kNode)], from[slot(Tier::kNode)], profile.local_message);
  any |= take(to[slot(Tier::kRack)], from[slot(Tier::kRack)], from[slot(Tier::kCluster)]);
  any |= take(to[slot(Tier::kCluster)], from[slot(Tier::kCluster)], from[slot(Tier::kRack)]);
  any |= take(model.local_message, profile.local_message, from[slot(Tier::kNode)]);
  return any;
}

}  // namespace

CostModel nominal_model(const LocalityTree& tree) {
  CostModel model;
  for (const TreeNode& node : tree.nodes()) {
    model.subtrees.push_back(nominal_capacity(node));
  }
  const double flow = fastest_flow(tree, model.subtrees);
  const bool rdma = flow >= kRdmaNicBytesPerS;
  const TierCost remote{.alpha_s = rdma ? kRdmaAlphaS : kTcpAlphaS,
                        .overhead_s = rdma ? kRdmaOverheadS : kTcpOverheadS,
                        .flow_bytes_per_s = flow};
  model.tiers[slot(Tier::kSelf)] = {.flow_bytes_per_s = kCopyBytesPerS};
  model.tiers[slot(Tier::kDomain)] = kMapped;
  model.tiers[slot(Tier::kNode)] = kLocalMessage;
  model.tiers[slot(Tier::kRack)] = remote;
  model.tiers[slot(Tier::kCluster)] = remote;
  model.tiers[slot(Tier::kCluster)].alpha_s += kSpineAlphaS;
  model.local_message = kLocalMessage;
  model.copy_bytes_per_s = kCopyBytesPerS;
  model.host_copy_bytes_per_s = kHostCopyBytesPerS;
  model.source = "nominal";
  return model;
}

CostModel measured_model(const LocalityTree& tree, const Profile& profile) {
  CostModel model = nominal_model(tree);
  bool any = apply_tiers(profile, model);
  any |= apply(tree, Tier::kNode, profile.hosts, model);
  any |= apply(tree, Tier::kRack, profile.racks, model);
  const bool inferred = apply(tree, Tier::kRack, inferred_uplinks(profile), model);
  any |= inferred;
  if (profile.copy_bytes_per_s > 0) {
    model.copy_bytes_per_s = profile.copy_bytes_per_s;
    any = true;
  }
  if (profile.host_copy_bytes_per_s > 0) {
    model.host_copy_bytes_per_s = profile.host_copy_bytes_per_s;
    any = true;
  }
  model.measured = any;
  if (any) {
    model.source = "profile of " + std::to_string(profile.num_ranks) + " ranks over " + profile.transport + ", " +
                   profile.created + (inferred ? ", racks inferred" : "");
  }
  return model;
}

}  // namespace banyan::cost
