// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "banyan-sim/run.hpp"

namespace banyan::sim_tool {

/// What was simulated, and what is told of it. Borrows.
struct Report {
  const tool::Scenario& scenario;
  const planner::Plan& outline;
  const std::vector<Run>& runs;           ///< one, or with --compare several
  const std::vector<std::string>& notes;  ///< in sentences
  size_t num_links = 0;                   ///< rows of the table of links
};

/// A run in full, or a table of several.
[[nodiscard]] std::string report_text(const Report& report);
/// The same for programs, with all links: `"format": "banyan-sim-1"`.
[[nodiscard]] std::string report_json(const Report& report);

}  // namespace banyan::sim_tool
