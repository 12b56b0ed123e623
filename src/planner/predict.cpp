// SPDX-License-Identifier: Apache-2.0
#include "planner/predict.hpp"

#include <algorithm>

namespace banyan::planner {
namespace {

using topology::Tier;

/// The busiest link of the tree for the bytes of `loads` plus `extra` per remote byte's share, and its time.
struct Busiest {
  double time_s = 0;
  std::string name;
};

Busiest busiest_link(const topology::LocalityTree& tree, const cost::CostModel& model, const Loads& loads,
                     double inflation) {
  Busiest busiest;
  for (size_t i = 0; i < model.subtrees.size() && i < loads.subtree_egress.size(); ++i) {
    const auto& capacity = model.subtrees[i];
    const auto consider = [&](uint64_t bytes, double rate, const char* direction) {
      const double time = rate > 0 ? static_cast<double>(bytes) * inflation / rate : 0;
      if (time > busiest.time_s) {
        busiest = {time, tree.nodes()[i].name + " " + direction};
      }
    };
    consider(loads.subtree_egress[i], capacity.egress_bytes_per_s, "egress");
    consider(loads.subtree_ingress[i], capacity.ingress_bytes_per_s, "ingress");
  }
  return busiest;
}

double over(double bytes, double rate) { return rate > 0 ? bytes / rate : 0; }

int largest_host(const Hosts& hosts) {
  int largest = 0;
  for (int host = 0; host < hosts.count(); ++host) {
    largest = std::max(largest, hosts.size(host));
  }
  return largest;
}

/// Copies inside a host: a rank's own share on its core, or all ranks' on the host's memory, whichever is slower.
double copy_time(const cost::CostModel& model, double rank_bytes, double host_bytes) {
  return std::max(over(rank_bytes, model.copy_bytes_per_s), over(host_bytes, model.host_copy_bytes_per_s));
}

/// Sending and receiving `messages` to and from other hosts, beyond what the latency of one of them holds.
double message_time(const cost::TierCost& tier, int messages) {
  return messages > 0 ? 2 * tier.overhead_s * (messages - Prediction::kInLatency) : 0;
}

uint64_t largest(const std::vector<uint64_t>& values) {
  return values.empty() ? 0 : *std::max_element(values.begin(), values.end());
}

}  // namespace

const cost::TierCost& remote_tier(const topology::LocalityTree& tree, const cost::CostModel& model) {
  const bool racks = tree.at_tier(Tier::kRack).size() > 1;
  return model.tiers[static_cast<size_t>(racks ? Tier::kCluster : Tier::kRack)];
}

Loads sum_loads(const topology::LocalityTree& tree, const Hosts& hosts, const Demand& demand, uint64_t only_above,
                uint64_t only_up_to) {
  const int num_ranks = tree.num_ranks();
  Loads loads;
  loads.subtree_egress.resize(tree.nodes().size());
  loads.subtree_ingress.resize(tree.nodes().size());
  loads.host_local.resize(static_cast<size_t>(hosts.count()));
  std::vector<uint64_t> in(static_cast<size_t>(num_ranks));
  std::vector<uint64_t> in_local(in.size());
  std::vector<int> in_messages(in.size());
  for (int from = 0; from < num_ranks; ++from) {
    uint64_t out = 0;
    uint64_t out_local = 0;
    int out_messages = 0;
    for (int to = 0; to < num_ranks; ++to) {
      const uint64_t bytes = demand.bytes(num_ranks, from, to);
      if (from == to || bytes > only_up_to || (only_above > 0 && bytes <= only_above)) {
        continue;
      }
      const auto t = static_cast<size_t>(to);
      if (tree.same_host(from, to)) {
        out_local += bytes;
        in_local[t] += bytes;
        loads.host_local[static_cast<size_t>(hosts.host_of(from))] += bytes;
        continue;
      }
      out += bytes;
      in[t] += bytes;
      out_messages += bytes > 0 || demand.uniform() ? 1 : 0;
      in_messages[t] += bytes > 0 || demand.uniform() ? 1 : 0;
      for (const Tier tier : {Tier::kNode, Tier::kRack}) {
        const int a = tree.ancestor(from, tier);
        const int b = tree.ancestor(to, tier);
        if (a != b) {
          loads.subtree_egress[static_cast<size_t>(a)] += bytes;
          loads.subtree_ingress[static_cast<size_t>(b)] += bytes;
        }
      }
    }
    loads.rank_remote_max = std::max(loads.rank_remote_max, out);
    loads.rank_local_max = std::max(loads.rank_local_max, out_local);
    loads.rank_messages_max = std::max(loads.rank_messages_max, out_messages);
  }
  loads.rank_remote_max = std::max(loads.rank_remote_max, largest(in));
  loads.rank_local_max = std::max(loads.rank_local_max, largest(in_local));
  for (const int messages : in_messages) {
    loads.rank_messages_max = std::max(loads.rank_messages_max, messages);
  }
  return loads;
}

Prediction predict_direct(const topology::LocalityTree& tree, const Hosts& hosts, const cost::CostModel& model,
                          const Loads& loads) {
  Prediction result;
  const auto& domain = model.tiers[static_cast<size_t>(Tier::kDomain)];
  const double local_copy = copy_time(model, 2.0 * static_cast<double>(loads.rank_local_max),
                                      2.0 * static_cast<double>(largest(loads.host_local)));
  const double local = domain.alpha_s + 2 * domain.overhead_s * std::max(0, largest_host(hosts) - 1) + local_copy;
  if (hosts.count() == 1) {
    result.latency_s = domain.alpha_s;
    result.overhead_s = local - domain.alpha_s - local_copy;
    result.copy_s = local_copy;
    result.busiest = "memory";
    return result;
  }
  const auto& remote = remote_tier(tree, model);
  const Busiest busiest = busiest_link(tree, model, loads, 1.0);
  const double flow = over(static_cast<double>(loads.rank_remote_max), remote.flow_bytes_per_s);
  result.latency_s = loads.rank_messages_max > 0 ? remote.alpha_s : domain.alpha_s;
  // Local messages are served between remote ones, on the same core.
  result.overhead_s = message_time(remote, loads.rank_messages_max) + (local - domain.alpha_s);
  result.wire_s = std::max(busiest.time_s, flow);
  result.busiest = flow > busiest.time_s ? "one rank's flow" : busiest.name;
  return result;
}

Prediction predict_hierarchical(const topology::LocalityTree& tree, const Hosts& hosts, const cost::CostModel& model,
                                const Loads& loads, hierarchical::Fan fan, double header_bytes_per_block) {
  Prediction result;
  const auto& domain = model.tiers[static_cast<size_t>(Tier::kDomain)];
  const int ranks = largest_host(hosts);
  const int remote_hosts = hosts.count() - 1;
  const double steps_in_host = fan == hierarchical::Fan::kNode ? 2 : 1;
  const double local_messages = steps_in_host * std::max(0, ranks - 1);
  const auto rank_bytes = static_cast<double>(loads.rank_remote_max);
  const double host_out = static_cast<double>(largest(loads.subtree_egress));
  const double host_local = static_cast<double>(largest(loads.host_local));
  // Written to the forwarder, packed, unpacked (and handed out): each remote byte 3 (4) times, each local byte twice.
  const double touches = 2.0 + steps_in_host;
  result.latency_s = steps_in_host * domain.alpha_s;
  result.copy_s = copy_time(model, touches * rank_bytes + 2.0 * static_cast<double>(loads.rank_local_max),
                            touches * host_out + 2.0 * host_local);
  result.overhead_s = 2 * domain.overhead_s * local_messages;
  result.busiest = "memory";
  if (remote_hosts == 0) {
    return result;
  }
  const auto& remote = remote_tier(tree, model);
  int messages = 0;  // of the busiest rank, one way
  for (int host = 0; host < hosts.count(); ++host) {
    if (fan == hierarchical::Fan::kNode) {
      messages = std::max(messages, (remote_hosts + hosts.size(host) - 1) / hosts.size(host));
      continue;
    }
    int destinations = 0;
    for (int other = 0; other < hosts.count(); ++other) {
      destinations += other == host ? 0 : (hosts.size(other) + hosts.size(host) - 1) / hosts.size(host);
    }
    messages = std::max(messages, destinations);
  }
  const double blocks = static_cast<double>(ranks) * (hosts.num_ranks() - ranks);
  const double headers = header_bytes_per_block * blocks;
  const Busiest busiest = busiest_link(tree, model, loads, host_out > 0 ? 1.0 + headers / host_out : 1.0);
  result.latency_s += remote.alpha_s;
  result.overhead_s += message_time(remote, messages);
  result.copy_s *= Prediction::kCopiesNotOverlapped;
  // With fan kNode one rank's flow carries all bytes of a pair of hosts.
  const double pair_bytes = rank_bytes * (fan == hierarchical::Fan::kNode ? ranks : 1) / remote_hosts;
  const double flow = over(pair_bytes, remote.flow_bytes_per_s);
  result.wire_s = std::max(busiest.time_s, flow);
  result.busiest = flow > busiest.time_s ? "one rank's flow" : busiest.name;
  return result;
}

Prediction combine(const Prediction& aggregated, const Prediction& direct, const Prediction& whole) {
  const auto& longer = direct.wire_s > aggregated.wire_s ? direct : aggregated;
  const auto& longest = whole.wire_s > longer.wire_s ? whole : longer;
  Prediction result;
  result.latency_s = std::max(aggregated.latency_s, direct.latency_s);
  result.overhead_s = aggregated.overhead_s + direct.overhead_s;
  result.wire_s = longest.wire_s;
  result.copy_s = aggregated.copy_s + direct.copy_s;
  result.busiest = longest.busiest;
  return result;
}

double lower_bound_s(const topology::LocalityTree& tree, const cost::CostModel& model, const Loads& loads) {
  return busiest_link(tree, model, loads, 1.0).time_s;
}

}  // namespace banyan::planner
