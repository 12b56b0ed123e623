// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "planner/plan.hpp"
#include "planning/scenario.hpp"
#include "simulator/queued_network.hpp"
#include "simulator/timeline.hpp"

namespace banyan::sim_tool {

/// How exchanges are simulated.
struct Settings {
  int max_ranks = 512;             ///< schedules are built up to so many; beyond, messages are made when needed
  std::optional<int> in_flight{};  ///< sends between hosts of a rank; 0: no limit
  std::optional<double> resolution_s{};
  int exchanges = 1;  ///< in a row
  std::optional<simulator::Queues> queues{};
  bool gap_at_sender = false;
  std::optional<int> rails{};  ///< cards of a host that messages are spread over
  std::function<void(uint64_t done, double now_s)> progress{};
};

/// An algorithm, simulated.
struct Run {
  planner::Candidate candidate;
  simulator::Timeline timeline{};
  bool scheduled = true;    ///< from a verified schedule; else messages were made when needed
  bool executed = false;    ///< cut, ordered and paced as communicators do
  int exchanges = 1;        ///< in a row, that the timeline is of
  int rails = 1;            ///< cards of a host that messages are spread over
  int in_flight = 0;        ///< 0: no limit
  double resolution_s = 0;  ///< 0: exact

  /// Per exchange.
  [[nodiscard]] double exchange_s() const noexcept { return timeline.total_s / exchanges; }
};

/// Sends between hosts that a rank keeps in flight, so that two latencies are covered by messages of this size; at
/// least 2, at most 64.
[[nodiscard]] int covering_window(const planner::Situation& situation, double message_bytes);

/// Simulates an exchange by an algorithm that `outline` lists. Error{LIMIT}: an all-to-all-v of more ranks than
/// schedules are built for. Error{NOT_SUPPORTED}: an algorithm that is not simulated without a schedule.
[[nodiscard]] Run simulate(const tool::Scenario& scenario, const planner::Plan& outline,
                           const planner::Candidate& candidate, const planner::Wish& wish, const Settings& settings);

}  // namespace banyan::sim_tool
