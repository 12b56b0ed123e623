// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cost/cost_model.hpp"
#include "schedule/schedule.hpp"
#include "schedule/verify.hpp"
#include "topology/locality_tree.hpp"

namespace banyan::oracle {

/// The time that SimGrid (https://simgrid.org) gives a schedule: its fluid network model, without the factors that
/// stand for TCP. Hosts hang on an up and a down link each, racks too; flows between ranks of a host are not allowed.
/// Of the model it takes capacities, alpha and the flow limit. Sends start as docs/schedule-ir.md says; who waits for
/// whom is found here from the blocks, not by the code under test. Runs in a child process, since a process has one
/// SimGrid engine. Throws std::runtime_error if that fails.
[[nodiscard]] double simgrid_time_s(const schedule::Schedule& schedule, const schedule::BlockSizes& sizes,
                                    const topology::LocalityTree& tree, const cost::CostModel& model);

}  // namespace banyan::oracle
