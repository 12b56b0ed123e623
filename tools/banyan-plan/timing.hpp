// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "planner/gantt.hpp"
#include "planning/scenario.hpp"
#include "simulator/timeline.hpp"

namespace banyan::tool {

/// A plan's schedule, timed by the simulator.
struct Timing {
  simulator::Timeline timeline;  ///< messages in the order of `sent`
  std::vector<size_t> sent;      ///< by message of the timeline: its place in Plan::schedule

  [[nodiscard]] bool exists() const noexcept { return !timeline.ranks.empty(); }
};

/// Simulates the plan of this scenario. Memory O(blocks in its messages).
[[nodiscard]] Timing time_plan(const Scenario& scenario, const planner::Plan& plan);

/// Rows for charts and traces.
[[nodiscard]] planner::Gantt gantt_of(const Scenario& scenario, const planner::Plan& plan, const Timing& timing);

/// "simulated  1.10 ms (-3 % of the prediction) ...", then a line a step: when its first message was issued and its
/// last one done.
[[nodiscard]] std::string timing_text(const planner::Plan& plan, const Timing& timing);

}  // namespace banyan::tool
