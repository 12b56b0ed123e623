// SPDX-License-Identifier: Apache-2.0
#include "banyan-plan/timing.hpp"

#include <fmt/format.h>

#include "planner/quantity_text.hpp"
#include "simulator/simulate.hpp"

namespace banyan::tool {
namespace {

constexpr size_t kMaxSteps = 12;

}  // namespace

Timing time_plan(const Scenario& scenario, const planner::Plan& plan) {
  Timing timing;
  schedule::Schedule sent = plan.schedule;
  sent.messages.clear();
  for (size_t i = 0; i < plan.schedule.messages.size(); ++i) {
    // Where all pairs of a message travel directly its header is left, of which blocks the simulator knows nothing.
    if (!plan.schedule.messages[i].blocks.empty()) {
      sent.messages.push_back(plan.schedule.messages[i]);
      timing.sent.push_back(i);
    }
  }
  const std::vector<uint64_t> sizes = scenario.sizes();
  timing.timeline = simulator::simulate(sent, {scenario.tree().num_ranks(), sizes}, scenario.tree(), scenario.model());
  return timing;
}

planner::Gantt gantt_of(const Scenario& scenario, const planner::Plan& plan, const Timing& timing) {
  std::vector<planner::TimedMessage> messages;
  messages.reserve(timing.sent.size());
  for (size_t i = 0; i < timing.sent.size(); ++i) {
    const schedule::Message& message = plan.schedule.messages[timing.sent[i]];
    const simulator::MessageTiming& times = timing.timeline.messages.at(i);
    messages.push_back({.step = message.step,
                        .from = message.from,
                        .to = message.to,
                        .bytes = plan.message_bytes[timing.sent[i]],
                        .issue_s = times.issue_s,
                        .wire_start_s = times.wire_start_s,
                        .wire_end_s = times.wire_end_s,
                        .done_s = times.done_s});
  }
  return planner::make_gantt(scenario.tree(), scenario.model(), std::move(messages), timing.timeline.total_s);
}

std::string timing_text(const planner::Plan& plan, const Timing& timing) {
  const double predicted = plan.choice.chosen.prediction.total_s();
  const double simulated = timing.timeline.total_s;
  std::string text = fmt::format("simulated  {}", planner::seconds_text(simulated));
  if (predicted > 0) {
    text += fmt::format(" ({:+.0f} % of the prediction", 100 * (simulated / predicted - 1));
    text += plan.lower_bound_s > 0 ? fmt::format("; the bound is {:.0f} % of it", 100 * plan.lower_bound_s / simulated)
                                   : "";
    text += ")\n";
  }
  const auto& steps = timing.timeline.steps;
  for (size_t i = 0; i < std::min(steps.size(), kMaxSteps); ++i) {
    text += fmt::format("step {:<5} from {} to {}\n", steps[i].step, planner::seconds_text(steps[i].first_issue_s),
                        planner::seconds_text(steps[i].last_done_s));
  }
  return steps.size() > kMaxSteps ? text + fmt::format("           and {} more steps\n", steps.size() - kMaxSteps)
                                  : text;
}

}  // namespace banyan::tool
