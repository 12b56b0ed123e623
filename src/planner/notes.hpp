// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "planner/select.hpp"

namespace banyan::planner {

/// What a plan's figures rest on that was neither measured nor told: NICs and uplinks of unknown rate, hosts and tiers
/// that a profile lacks, an exchange of nothing. One sentence each, hosts counted where there are many. Any thread.
[[nodiscard]] std::vector<std::string> planning_notes(const Situation& situation, const Demand& demand);

/// Error{INVALID_ARGUMENT} unless tree, matrix and model belong together, there is a rank, and all figures of the model
/// are finite and not negative.
void check_situation(const Situation& situation, const Demand& demand);

}  // namespace banyan::planner
