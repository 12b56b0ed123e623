// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "banyan-plan/timing.hpp"
#include "planning/scenario.hpp"

namespace banyan::tool {

/// One page with everything: pictures inside, no script, nothing loaded from elsewhere. `command`: how it was made.
[[nodiscard]] std::string render_html(const Scenario& scenario, const planner::Plan& plan, const Timing& timing,
                                      const std::string& command);

}  // namespace banyan::tool
