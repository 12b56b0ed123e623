// SPDX-License-Identifier: Apache-2.0
#include "planner/algorithms/bruck.hpp"
#include "planner/predict_terms.hpp"

namespace banyan::planner {

Prediction predict_bruck(const topology::LocalityTree& tree, const Hosts& hosts, const cost::CostModel& model,
                         const Loads& loads, int radix, double header_bytes_per_block) {
  const bruck::Digits digits(hosts.count(), radix);
  const auto& local = local_tier(tree, model);
  const auto& remote = remote_tier(tree, model);
  const int ranks = largest_host(hosts);
  const double local_step_s = ranks > 1 ? local.alpha_s + 2 * local.overhead_s * (ranks - 1) : 0;
  Prediction result;
  result.latency_s = local_step_s;
  int pairs = 0;  // of hosts, in the largest message
  for (int round = 0; round < digits.num_rounds(); ++round) {
    int messages = 0;  // of a host, one way; dealt over its ranks
    while (messages + 1 < radix && digits.used(round, messages + 1)) {
      pairs = std::max(pairs, digits.num_pairs(round, ++messages));
    }
    result.latency_s += remote.alpha_s + local_step_s;
    result.overhead_s += message_time(remote, {(messages + smallest_host(hosts) - 1) / smallest_host(hosts), messages});
  }
  double hops = 0;  // of a block, on average
  for (int distance = 1; distance < hosts.count(); ++distance) {
    hops += digits.num_hops(distance) / static_cast<double>(hosts.count() - 1);
  }
  const double host_out = busiest_host_bytes(hosts, loads);
  const double headers = header_inflation(hosts, host_out, header_bytes_per_block);
  const BusiestLink busiest = busiest_link(tree, model, loads, headers * hops);
  // Packed and unpacked on each hop, and gathered and handed out; carriers may be one rank a host.
  const double touches = 2.0 * hops + (ranks > 1 ? 2.0 : 0.0);
  const double local_bytes = 2.0 * static_cast<double>(largest(loads.host_local));
  result.copy_s = copy_time(model, touches * host_out / std::min(ranks, radix - 1), touches * host_out + local_bytes);
  if (hosts.count() > 1) {
    result.copy_s *= Prediction::kCopiesNotOverlapped;
  }
  const double flow = over(static_cast<double>(loads.host_pair_max) * pairs, remote.flow_bytes_per_s);
  set_wire(result, busiest, flow);
  result.busiest = hosts.count() == 1 ? "memory" : result.busiest;
  return result;
}

}  // namespace banyan::planner
