// SPDX-License-Identifier: Apache-2.0
#include "banyan-sim/run.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "banyan-sim/execution_of.hpp"
#include "banyan-sim/uniform_source.hpp"
#include "base/error.hpp"
#include "simulator/executed_source.hpp"
#include "simulator/simulate.hpp"

namespace banyan::sim_tool {
namespace {

using planner::Algorithm;
using simulator::Timeline;

constexpr int kMinWindow = 2;
constexpr int kMaxWindow = 64;
/// Rates are found again at most so often in the time that the links need at least; without a schedule, so often for
/// each message of a rank, within limits. docs/simulator.md has the error.
constexpr double kResolutions = 10000;
constexpr double kLeastResolutions = 2000;
constexpr double kMostResolutions = 2500;  ///< of aggregated messages, which are long; of direct ones kResolutions
constexpr double kResolutionsPerMessage = 10;
/// Schedules of more messages are simulated at that resolution too.
constexpr size_t kExactMessages = 20000;

/// Bytes of a message between hosts: of direct messages, and of those that carry a host's blocks for a rank or a host.
double message_bytes(const planner::Plan& outline, Algorithm algorithm) {
  const auto block = static_cast<double>(outline.block_bytes);
  const double ranks = static_cast<double>(outline.num_ranks) / outline.num_hosts;
  switch (algorithm.kind) {
    case Algorithm::kDirect:
      return block;
    case Algorithm::kHierarchicalRail:
      return block * ranks;
    default:
      return block * ranks * ranks;
  }
}

/// Messages between hosts that a rank sends, about.
double messages_per_rank(const planner::Plan& outline, Algorithm algorithm) {
  const double ranks = static_cast<double>(outline.num_ranks) / outline.num_hosts;
  const double hosts = outline.num_hosts - 1;
  switch (algorithm.kind) {
    case Algorithm::kDirect:
      return hosts * ranks;
    case Algorithm::kHierarchicalRail:
      return hosts;
    default:
      return hosts / ranks;
  }
}

double default_resolution_s(const planner::Plan& outline, const Run& run) {
  const double wanted = kResolutionsPerMessage * messages_per_rank(outline, run.candidate.algorithm);
  const double most = run.candidate.algorithm == Algorithm::kDirect ? kResolutions : kMostResolutions;
  return outline.lower_bound_s / (run.scheduled ? kResolutions : std::clamp(wanted, kLeastResolutions, most));
}

void simulate_schedule(const tool::Scenario& scenario, const planner::Wish& wish, const Settings& settings, Run& run) {
  planner::Wish exactly = wish;
  exactly.algorithm = planner::algorithm_name(run.candidate.algorithm);
  const planner::Plan plan = planner::make_plan(scenario.situation(), scenario.demand(), exactly, tool::kSlotBytes);
  run.candidate = plan.choice.chosen;
  if (!settings.resolution_s && plan.schedule.messages.size() <= kExactMessages) {
    run.resolution_s = 0;
  }
  const std::vector<uint64_t> sizes = scenario.sizes();
  simulator::Options options{.keep_messages = false, .resolution_s = run.resolution_s, .progress = settings.progress};
  if (!run.executed) {
    options.window = run.in_flight;
    run.timeline =
        simulator::simulate(plan.schedule, {plan.num_ranks, sizes}, scenario.tree(), scenario.model(), options);
    return;
  }
  simulator::Execution execution = execution_of(scenario.situation(), plan, run.rails, tool::kSlotBytes);
  execution.sizes = {plan.num_ranks, sizes};
  execution.exchanges = run.exchanges;
  options.rail_shares.assign(run.rails > 1 ? static_cast<size_t>(run.rails) : 0, 1.0 / run.rails);
  options.in_latency = cost::kInLatency;
  options.gap_at_sender = settings.gap_at_sender;
  options.queues = settings.queues;
  simulator::ExecutedSource source(execution);
  run.timeline = simulator::simulate(source, scenario.tree(), scenario.model(), options);
}

}  // namespace

int covering_window(const planner::Situation& situation, double message_bytes) {
  const cost::TierCost& remote = planner::remote_tier(situation.tree, situation.model);
  double shortest_s = std::numeric_limits<double>::infinity();  // a message's share of its rank, host and NICs
  for (int host = 0; host < situation.hosts.count(); ++host) {
    const auto& capacity = situation.model.subtrees[static_cast<size_t>(situation.hosts.tree_node(host))];
    const double ranks = situation.hosts.size(host);
    const double wire_s = capacity.egress_bytes_per_s > 0 ? message_bytes * ranks / capacity.egress_bytes_per_s : 0;
    shortest_s = std::min(shortest_s, std::max({wire_s, 2 * remote.overhead_s, 2 * remote.gap_s * ranks}));
  }
  const double covering = shortest_s > 0 ? std::ceil(2 * remote.alpha_s / shortest_s) : kMaxWindow;
  return static_cast<int>(std::min<double>(kMinWindow + covering, kMaxWindow));
}

Run simulate(const tool::Scenario& scenario, const planner::Plan& outline, const planner::Candidate& candidate,
             const planner::Wish& wish, const Settings& settings) {
  const planner::Situation situation = scenario.situation();
  Run run{.candidate = candidate, .scheduled = outline.num_ranks <= settings.max_ranks};
  run.executed = run.scheduled && !settings.in_flight;
  run.exchanges = run.executed ? settings.exchanges : 1;
  run.rails = run.executed ? settings.rails.value_or(planner::usual_rails(situation.tree)) : 1;
  const bool unlimited =
      run.executed || (run.scheduled && (candidate.algorithm != Algorithm::kDirect || !outline.uniform));
  run.in_flight = settings.in_flight.value_or(
      unlimited ? 0 : covering_window(situation, message_bytes(outline, candidate.algorithm)));
  run.resolution_s = settings.resolution_s.value_or(default_resolution_s(outline, run));
  if (run.scheduled) {
    simulate_schedule(scenario, wish, settings, run);
    return run;
  }
  if (!outline.uniform) {
    throw Error(BANYAN_ERR_LIMIT, "an all-to-all-v needs a schedule, and those of " +
                                      std::to_string(outline.num_ranks) + " ranks are not built; --max-ranks " +
                                      std::to_string(outline.num_ranks) + " allows it, some 300 bytes for each pair");
  }
  UniformSource source(situation.hosts, candidate.algorithm, outline.block_bytes, run.in_flight);
  run.timeline =
      simulator::simulate(source, scenario.tree(), scenario.model(),
                          {.keep_messages = false, .resolution_s = run.resolution_s, .progress = settings.progress});
  return run;
}

}  // namespace banyan::sim_tool
