// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "planner/plan.hpp"
#include "simulator/execution.hpp"

namespace banyan::sim_tool {

/// The plan's schedule as communicators compile it (coll/compile.hpp), over `rails` equal cards a host, with slots of
/// so many bytes in mapped memory. Sizes and the number of exchanges are the caller's to fill in. Borrows the plan.
[[nodiscard]] simulator::Execution execution_of(const planner::Situation& situation, const planner::Plan& plan,
                                                int rails, size_t slot_bytes);

}  // namespace banyan::sim_tool
