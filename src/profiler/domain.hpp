// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cost/cost_model.hpp"
#include "profiler/runner.hpp"

namespace banyan::profiler {

/// Whether there is a mapped path to measure: rings, and a domain of several ranks.
[[nodiscard]] bool has_mapped_domain(comm::Communicator& comm);

/// Collective: the cost of messages written into mapped memory, with all domains at work at once; on communicators of
/// the domains and of pairs in them, split off for this. All ranks get the slowest domain's figures.
[[nodiscard]] cost::TierCost measure_domain(Runner& runner, double target_s);

}  // namespace banyan::profiler
