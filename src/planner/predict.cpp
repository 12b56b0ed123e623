// SPDX-License-Identifier: Apache-2.0
#include "planner/predict.hpp"

#include <algorithm>

#include "planner/predict_terms.hpp"

namespace banyan::planner {
namespace {

using topology::Tier;

/// What hosts send at once, as few whole messages in no order, meets at some receivers while the links of others idle.
/// Shares of the wire's time that this takes, of hosts that send one message; with more they even out. In labs of four
/// hosts of one card (1 Gbit/s, 100 and 20 Mbit/s) three messages of 64 KiB a host, node's, took 4 to 18 % longer than
/// rail's twelve of 16 KiB; on faster cards, or where one is slower than the others, up to 1 %.
constexpr double kMeetings = 0.06;

/// What the steps of algorithms/hierarchical.hpp send to other hosts.
Messages hierarchical_messages(const Hosts& hosts, hierarchical::Fan fan) {
  Messages most;
  const int remote_hosts = hosts.count() - 1;
  for (int host = 0; host < hosts.count(); ++host) {
    const int size = hosts.size(host);
    if (fan == hierarchical::Fan::kNode) {
      most.rank = std::max(most.rank, (remote_hosts + size - 1) / size);
      most.host = remote_hosts;
      continue;
    }
    // One message for each rank of the others, and each rank of this one gets one from each host.
    int of_rank = 0;
    int of_host = 0;
    for (int other = 0; other < hosts.count(); ++other) {
      of_rank += other == host ? 0 : (hosts.size(other) + size - 1) / size;
      of_host += other == host ? 0 : hosts.size(other);
    }
    most.rank = std::max(most.rank, of_rank);
    most.host = std::max({most.host, of_host, remote_hosts * size});
  }
  return most;
}

}  // namespace

const cost::TierCost& remote_tier(const topology::LocalityTree& tree, const cost::CostModel& model) {
  const bool racks = tree.at_tier(Tier::kRack).size() > 1;
  return model.tiers[static_cast<size_t>(racks ? Tier::kCluster : Tier::kRack)];
}

Prediction predict_direct(const topology::LocalityTree& tree, const Hosts& hosts, const cost::CostModel& model,
                          const Loads& loads) {
  Prediction result;
  const auto& local = local_tier(tree, model);
  const double local_copy = copy_time(model, 2.0 * static_cast<double>(loads.rank_local_max),
                                      2.0 * static_cast<double>(largest(loads.host_local)));
  const double in_host = local.alpha_s + 2 * local.overhead_s * std::max(0, largest_host(hosts) - 1) + local_copy;
  if (hosts.count() == 1) {
    result.latency_s = local.alpha_s;
    result.overhead_s = in_host - local.alpha_s - local_copy;
    result.copy_s = local_copy;
    result.busiest = "memory";
    return result;
  }
  const auto& remote = remote_tier(tree, model);
  const BusiestLink busiest = busiest_link(tree, model, loads, 1.0);
  const double flow = over(static_cast<double>(loads.rank_remote_max), remote.flow_bytes_per_s);
  result.latency_s = loads.rank_messages_max > 0 ? remote.alpha_s : local.alpha_s;
  // Local messages are served between remote ones, on the same core.
  result.overhead_s =
      message_time(remote, {loads.rank_messages_max, loads.host_messages_max}) + (in_host - local.alpha_s);
  set_wire(result, busiest, flow);
  return result;
}

Prediction predict_hierarchical(const topology::LocalityTree& tree, const Hosts& hosts, const cost::CostModel& model,
                                const Loads& loads, hierarchical::Fan fan, double header_bytes_per_block,
                                const Rails& rails) {
  Prediction result;
  const auto& local = local_tier(tree, model);
  const int ranks = largest_host(hosts);
  const int remote_hosts = hosts.count() - 1;
  const double steps_in_host = fan == hierarchical::Fan::kNode ? 2 : 1;
  const double local_messages = steps_in_host * std::max(0, ranks - 1);
  const auto rank_bytes = static_cast<double>(loads.rank_remote_max);
  const double host_out = busiest_host_bytes(hosts, loads);
  const double host_local = static_cast<double>(largest(loads.host_local));
  // Written to the forwarder, packed, unpacked (and handed out): each remote byte 3 (4) times, each local byte twice.
  const double touches = 2.0 + steps_in_host;
  result.latency_s = steps_in_host * local.alpha_s;
  result.copy_s = copy_time(model, touches * rank_bytes + 2.0 * static_cast<double>(loads.rank_local_max),
                            touches * host_out + 2.0 * host_local);
  result.overhead_s = 2 * local.overhead_s * local_messages;
  result.busiest = "memory";
  if (remote_hosts == 0) {
    return result;
  }
  const auto& remote = remote_tier(tree, model);
  const double inflation = header_inflation(hosts, host_out, header_bytes_per_block);
  const Messages messages = hierarchical_messages(hosts, fan);
  const double meetings = remote_hosts > 1 ? kMeetings / messages.host : 0;
  const double share = fullest_rail(rails, messages.host, host_out * inflation / messages.host) * (1 + meetings);
  const BusiestLink busiest = busiest_link(tree, model, loads, inflation, share);
  result.latency_s += remote.alpha_s;
  result.overhead_s += message_time(remote, messages);
  result.copy_s *= Prediction::kCopiesNotOverlapped;
  // With fan kNode one rank's flow carries all bytes of a pair of hosts.
  const double flow_bytes =
      fan == hierarchical::Fan::kNode ? static_cast<double>(loads.host_pair_max) : rank_bytes / remote_hosts;
  const double flow = over(flow_bytes, remote.flow_bytes_per_s);
  set_wire(result, busiest, flow);
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
