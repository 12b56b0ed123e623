// SPDX-License-Identifier: Apache-2.0
#include "planner/predict_terms.hpp"

namespace banyan::planner {

using topology::Tier;

BusiestLink busiest_link(const topology::LocalityTree& tree, const cost::CostModel& model, const Loads& loads,
                         double inflation, double host_share) {
  BusiestLink busiest;
  for (size_t i = 0; i < model.subtrees.size() && i < loads.subtree_egress.size(); ++i) {
    const auto& capacity = model.subtrees[i];
    const double factor = inflation * (tree.nodes()[i].tier == Tier::kNode ? host_share : 1);
    const auto consider = [&](uint64_t bytes, double rate, const char* direction) {
      const double time = rate > 0 ? static_cast<double>(bytes) * factor / rate : 0;
      if (time > busiest.time_s) {
        busiest = {time, tree.nodes()[i].name + " " + direction};
      }
    };
    consider(loads.subtree_egress[i], capacity.egress_bytes_per_s, "egress");
    consider(loads.subtree_ingress[i], capacity.ingress_bytes_per_s, "ingress");
  }
  return busiest;
}

const cost::TierCost& local_tier(const topology::LocalityTree& tree, const cost::CostModel& model) {
  const bool several_domains = tree.at_tier(Tier::kDomain).size() > tree.at_tier(Tier::kNode).size();
  return model.tiers[static_cast<size_t>(several_domains ? Tier::kNode : Tier::kDomain)];
}

int largest_host(const Hosts& hosts) {
  int largest = 0;
  for (int host = 0; host < hosts.count(); ++host) {
    largest = std::max(largest, hosts.size(host));
  }
  return largest;
}

int smallest_host(const Hosts& hosts) {
  int smallest = hosts.num_ranks();
  for (int host = 0; host < hosts.count(); ++host) {
    smallest = std::min(smallest, hosts.size(host));
  }
  return smallest;
}

double copy_time(const cost::CostModel& model, double rank_bytes, double host_bytes) {
  return std::max(over(rank_bytes, model.copy_bytes_per_s), over(host_bytes, model.host_copy_bytes_per_s));
}

double message_time(const cost::TierCost& tier, const Messages& messages) {
  if (messages.rank == 0) {
    return 0;
  }
  return 2 * std::max(tier.overhead_s * (messages.rank - Prediction::kInLatency),
                      tier.gap_s * (messages.host - Prediction::kInLatency));
}

double busiest_host_bytes(const Hosts& hosts, const Loads& loads) {
  uint64_t most = 0;
  for (int host = 0; host < hosts.count(); ++host) {
    most = std::max(most, loads.subtree_egress[static_cast<size_t>(hosts.tree_node(host))]);
  }
  return static_cast<double>(most);
}

double header_inflation(const Hosts& hosts, double host_bytes, double per_block) {
  const int ranks = largest_host(hosts);
  const double blocks = static_cast<double>(ranks) * (hosts.num_ranks() - ranks);
  return host_bytes > 0 ? 1.0 + per_block * blocks / host_bytes : 1.0;
}

void set_wire(Prediction& prediction, const BusiestLink& busiest, double flow_s) {
  prediction.wire_s = std::max(busiest.time_s, flow_s);
  prediction.busiest = flow_s > busiest.time_s ? "one rank's flow" : busiest.name;
}

}  // namespace banyan::planner
