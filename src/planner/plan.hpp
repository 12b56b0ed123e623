// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "planner/select.hpp"
#include "schedule/schedule.hpp"

namespace banyan::planner {

/// A verified schedule of all ranks, its predicted time, and why it was chosen. A value; for tools and explanations
/// (ranks that only execute build their own part).
struct Plan {
  Choice choice;
  bool uniform = true;
  int num_ranks = 0;
  int num_hosts = 0;
  size_t block_bytes = 0;  ///< uniform
  schedule::Schedule schedule;
  double lower_bound_s = 0;
  bool measured = false;
  std::string model_source;
  uint64_t num_messages = 0;  ///< between hosts
  uint64_t num_mapped_messages = 0;
  uint64_t wire_bytes = 0;     ///< between hosts, headers included
  uint64_t logical_bytes = 0;  ///< between hosts, as asked for
  uint64_t scratch_bytes = 0;  ///< largest of a rank; memory that an executor allocates
};

/// Chooses, builds all parts and verifies them. `slot_bytes`: payload of a slot of the mapped memory through which
/// messages inside a domain go; 0: there is none.
/// Error{INTERNAL} if verification fails, Error{LIMIT} if sums overflow.
[[nodiscard]] Plan make_plan(const Situation& situation, const Demand& demand, const Wish& wish, size_t slot_bytes);

/// What was chosen, what it is predicted to take and why, what was rejected.
[[nodiscard]] std::string explain_text(const Plan& plan);
/// The same for programs: `"format": "banyan-plan-1"`.
[[nodiscard]] std::string explain_json(const Plan& plan);

}  // namespace banyan::planner
