// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cost/cost_model.hpp"
#include "topology/locality_tree.hpp"

namespace banyan::planner {

/// A message in time, in seconds from the start of the exchange: issue <= wire start <= wire end <= done.
struct TimedMessage {
  int step = 0;
  int from = 0;
  int to = 0;
  uint64_t bytes = 0;
  double issue_s = 0;       ///< its sender begins to pack and post it
  double wire_start_s = 0;  ///< its first byte leaves
  double wire_end_s = 0;    ///< its last byte is at the receiver
  double done_s = 0;        ///< the receiver has stored its blocks, or can forward them
};

/// A message's time in a row. Bars of one lane do not overlap.
struct GanttBar {
  size_t message = 0;  ///< index into Gantt::messages
  double start_s = 0;
  double end_s = 0;
  int lane = 0;
};

/// What a rank sends (issue to wire end), what it receives (wire start to done), or what crosses one direction of the
/// boundary of a host or rack (wire start to wire end).
struct GanttRow {
  enum Kind : uint8_t { kSends, kReceives, kLink };

  Kind kind = kSends;
  std::string name;  ///< "rank 3", "node1 egress"
  int rank = -1;     ///< -1: a link
  int num_lanes = 0;
  uint64_t bytes = 0;
  double busy_s = 0;           ///< while there is at least one bar
  std::vector<GanttBar> bars;  ///< by start
};

/// An exchange in time. A value.
struct Gantt {
  double total_s = 0;
  std::vector<TimedMessage> messages;
  std::vector<GanttRow> rows;  ///< each rank's sends and receives, then the links that the model limits
};

/// Sorts messages into rows; those of no time (not sent) are in none. Messages of ranks out of the tree's range are an
/// Error{INVALID_ARGUMENT}. O(m log m).
[[nodiscard]] Gantt make_gantt(const topology::LocalityTree& tree, const cost::CostModel& model,
                               std::vector<TimedMessage> messages, double total_s);

/// For chrome://tracing and ui.perfetto.dev: the JSON object form of the Trace Event Format, times in microseconds. A
/// process for each rank with its sends and receives, one for each link; a message is an event in each, with from, to,
/// bytes, step. Messages that overlap in a row are on threads ("lanes") of their own.
[[nodiscard]] std::string render_gantt_trace(const Gantt& gantt);

}  // namespace banyan::planner
