// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "planner/predict.hpp"

/// What predictions of algorithms are put together from; docs/cost-model.md.
namespace banyan::planner {

/// The busiest link of a tree, "memory" if none is limited, and how long it is busy.
struct BusiestLink {
  double time_s = 0;
  std::string name;
};
/// For the bytes of `loads`, times `inflation`; hosts' links are busy `host_share` times as long (fullest_rail).
[[nodiscard]] BusiestLink busiest_link(const topology::LocalityTree& tree, const cost::CostModel& model,
                                       const Loads& loads, double inflation, double host_share = 1);

/// Of messages inside a host: of the slowest that it has.
[[nodiscard]] const cost::TierCost& local_tier(const topology::LocalityTree& tree, const cost::CostModel& model);

/// bytes / rate; 0 if the rate is no limit.
[[nodiscard]] inline double over(double bytes, double rate) { return rate > 0 ? bytes / rate : 0; }

[[nodiscard]] int largest_host(const Hosts& hosts);
[[nodiscard]] int smallest_host(const Hosts& hosts);
/// Most bytes that leave a host.
[[nodiscard]] double busiest_host_bytes(const Hosts& hosts, const Loads& loads);

/// By how much headers lengthen what leaves that host; `per_block`: their bytes for each block, on average.
[[nodiscard]] double header_inflation(const Hosts& hosts, double host_bytes, double per_block);

/// Copies inside a host: a rank's own share on its core, or all ranks' on the host's memory, whichever is slower.
[[nodiscard]] double copy_time(const cost::CostModel& model, double rank_bytes, double host_bytes);

/// Messages of the busiest rank, and of the busiest host, one way.
struct Messages {
  int rank = 0;
  int host = 0;
};
/// Sending and receiving messages to and from other hosts, beyond what the latency of one of them holds.
[[nodiscard]] double message_time(const cost::TierCost& tier, const Messages& messages);

/// Time on the wires: of the busiest link, or of the flow that carries most over one pair of ranks, if that is longer.
void set_wire(Prediction& prediction, const BusiestLink& busiest, double flow_s);

template <typename Number>
[[nodiscard]] Number largest(const std::vector<Number>& values) {
  return values.empty() ? 0 : *std::max_element(values.begin(), values.end());
}

}  // namespace banyan::planner
