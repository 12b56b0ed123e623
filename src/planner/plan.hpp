// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "planner/movement.hpp"
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
  size_t block_bytes = 0;               ///< uniform
  schedule::Schedule schedule;          ///< empty in an outline
  std::vector<uint64_t> message_bytes;  ///< by message of the schedule: its payload, headers included
  Movement movement;                    ///< by link and by step; empty in an outline
  std::vector<std::string> notes;       ///< what the figures rest on that was neither measured nor told, in sentences
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
/// messages inside a domain go; 0: there is none. All-to-all-v: pairs of no bytes have no message of their own.
/// Error{INVALID_ARGUMENT} if tree, matrix and model do not belong together or the model has negative or infinite
/// figures, Error{NOT_FOUND} for an unknown algorithm, Error{LIMIT} if sums overflow, Error{INTERNAL} if verification
/// fails.
[[nodiscard]] Plan make_plan(const Situation& situation, const Demand& demand, const Wish& wish, size_t slot_bytes);

/// The choice, its prediction, bound and notes, without a schedule: time and memory O(num_ranks^2) for a matrix. For
/// more ranks than a schedule of all of them has room for. Errors as above.
[[nodiscard]] Plan outline_plan(const Situation& situation, const Demand& demand, const Wish& wish);

/// What was chosen, what it is predicted to take and why, what each step moves, what was rejected and why.
[[nodiscard]] std::string explain_text(const Plan& plan);
/// The same for programs, with all links: `"format": "banyan-plan-1"`.
[[nodiscard]] std::string explain_json(const Plan& plan);

}  // namespace banyan::planner
