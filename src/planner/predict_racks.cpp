// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <vector>

#include "planner/predict_terms.hpp"

namespace banyan::planner {
namespace {

using topology::Tier;

/// What crosses links in the steps in racks, and between them. A rack's bytes for other racks leave its hosts in equal
/// shares; before that they cross the rack, all but the part that is at the right host by chance.
struct Steps {
  Loads in_racks;
  Loads between_racks;
};

Steps steps_of(const topology::LocalityTree& tree, const Hosts& hosts, const Loads& loads) {
  Steps steps{loads, loads};
  for (const int node : tree.at_tier(Tier::kRack)) {
    steps.in_racks.subtree_egress[static_cast<size_t>(node)] = 0;
    steps.in_racks.subtree_ingress[static_cast<size_t>(node)] = 0;
  }
  for (int host = 0; host < hosts.count(); ++host) {
    const auto node = static_cast<size_t>(hosts.tree_node(host));
    const auto rack = static_cast<size_t>(tree.ancestor(hosts.ranks(host)[0], Tier::kRack));
    const uint64_t hosts_in_rack = tree.nodes()[rack].children.size();
    const auto set = [&](std::vector<uint64_t> Loads::*way) {
      const uint64_t share = (loads.*way)[rack] / hosts_in_rack;
      const uint64_t in_rack = (loads.*way)[node] - std::min((loads.*way)[node], share);
      // What crosses the rack first leaves its hosts, and enters those whence it leaves the rack.
      const uint64_t hops = loads.subtree_egress[rack] / hosts_in_rack;
      (steps.in_racks.*way)[node] = in_rack + hops - hops / hosts_in_rack;
      (steps.between_racks.*way)[node] = share;
    };
    set(&Loads::subtree_egress);
    set(&Loads::subtree_ingress);
  }
  return steps;
}

/// Hosts of the largest rack, and messages between racks of the busiest rank and of the busiest host.
struct Shape {
  int hosts_in_rack = 0;
  Messages between_racks;
};

Shape shape_of(const Hosts& hosts) {
  Shape shape;
  std::vector<int> sizes(static_cast<size_t>(hosts.num_racks()));
  for (int host = 0; host < hosts.count(); ++host) {
    shape.hosts_in_rack = std::max(shape.hosts_in_rack, ++sizes[static_cast<size_t>(hosts.rack_of_host(host))]);
  }
  for (int rack = 0; rack < hosts.num_racks(); ++rack) {
    const auto own = static_cast<int>(hosts.rack_ranks(rack).size());
    int of_rank = 0;
    for (int other = 0; other < hosts.num_racks(); ++other) {
      const auto theirs = static_cast<int>(hosts.rack_ranks(other).size());
      of_rank += other == rack ? 0 : (theirs + own - 1) / own;
    }
    shape.between_racks.rank = std::max(shape.between_racks.rank, of_rank);
  }
  shape.between_racks.host = shape.between_racks.rank * largest_host(hosts);
  return shape;
}

}  // namespace

Prediction predict_racks(const topology::LocalityTree& tree, const Hosts& hosts, const cost::CostModel& model,
                         const Loads& loads, double header_bytes_per_block) {
  const auto& local = local_tier(tree, model);
  const auto& in_rack = model.tiers[static_cast<size_t>(Tier::kRack)];
  const auto& between_racks = model.tiers[static_cast<size_t>(Tier::kCluster)];
  const int ranks = largest_host(hosts);
  const Shape shape = shape_of(hosts);
  const int peers = (shape.hosts_in_rack - 1) * ((ranks + smallest_host(hosts) - 1) / smallest_host(hosts));
  Prediction result;
  result.latency_s = local.alpha_s + in_rack.alpha_s + between_racks.alpha_s;
  result.overhead_s = 2 * local.overhead_s * std::max(0, ranks - 1) + message_time(in_rack, {peers, peers * ranks}) +
                      message_time(between_racks, shape.between_racks);
  // Gathered, packed and unpacked in the rack, packed and unpacked between racks.
  constexpr double kTouches = 5;
  const double host_out = busiest_host_bytes(hosts, loads);
  const auto rank_bytes = static_cast<double>(loads.rank_remote_max);
  result.copy_s = Prediction::kCopiesNotOverlapped *
                  copy_time(model, kTouches * rank_bytes + 2.0 * static_cast<double>(loads.rank_local_max),
                            kTouches * host_out + 2.0 * static_cast<double>(largest(loads.host_local)));
  const double inflation = header_inflation(hosts, host_out, header_bytes_per_block);
  const Steps steps = steps_of(tree, hosts, loads);
  // One after the other: a rank's message for another rack waits for all that its rack has for it.
  const BusiestLink first = busiest_link(tree, model, steps.in_racks, inflation);
  const BusiestLink second = busiest_link(tree, model, steps.between_racks, inflation);
  const BusiestLink busiest{first.time_s + second.time_s, first.time_s > second.time_s ? first.name : second.name};
  set_wire(result, busiest, over(rank_bytes, between_racks.flow_bytes_per_s));
  return result;
}

}  // namespace banyan::planner
