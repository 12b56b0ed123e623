// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/degree_choice.hpp"

#include <algorithm>
#include <vector>

namespace banyan::moe {

double predict_overheads(const planner::Hosts& hosts, const cost::CostModel& model) {
  using topology::Tier;
  const auto& wire = model.tiers[static_cast<size_t>(hosts.num_racks() > 1 ? Tier::kCluster : Tier::kRack)];
  double most = 0;
  for (int host = 0; host < hosts.count(); ++host) {
    const double own = hosts.size(host);
    const double elsewhere = hosts.num_ranks() - own;
    const double alpha = elsewhere > 0 ? wire.alpha_s : model.local_message.alpha_s;
    const double of_rank = 2 * (elsewhere * wire.overhead_s + (own - 1) * model.local_message.overhead_s);
    most = std::max(most, alpha + std::max(of_rank, own * elsewhere * wire.gap_s));
  }
  return most;
}

double predict_step(const StepParts& parts, size_t num_chunks) {
  const auto share = 1 / static_cast<double>(num_chunks);
  double links = 0;
  double experts = 0;
  std::vector<double> done;
  for (size_t chunk = 0; chunk < num_chunks; ++chunk) {
    links += parts.dispatch_s * share + parts.per_chunk_s;
    experts = std::max(experts, links) + parts.experts_s * share;
    done.push_back(experts);
  }
  for (const double ready : done) {
    links = std::max(links, ready) + parts.combine_s * share + parts.per_chunk_s;
  }
  return links;
}

size_t choose_degree(const StepParts& parts, size_t most) {
  constexpr double kWorthIt = 1.01;
  std::vector<double> times;
  for (size_t num_chunks = 1; num_chunks <= most; ++num_chunks) {
    times.push_back(predict_step(parts, num_chunks));
  }
  const double best = *std::min_element(times.begin(), times.end());
  const auto chosen = std::find_if(times.begin(), times.end(), [&](double time) { return time <= kWorthIt * best; });
  return static_cast<size_t>(chosen - times.begin()) + 1;
}

}  // namespace banyan::moe
