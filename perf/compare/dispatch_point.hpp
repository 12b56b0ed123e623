// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/environment.hpp"
#include "layer/layer.hpp"
#include "layer/least_rows.hpp"
#include "layer/targets_gate.hpp"

namespace banyan::perf {

enum class WayKind {
  kGroup,  ///< banyan/moe.h
  kEven,   ///< the same on the even gate that targets are held against
  kRows,   ///< a row for each choice over Banyan
  kMpi     ///< a row for each choice over MPI
};

/// What the gates of a layer come to.
struct LayerFacts {
  size_t row_bytes = 0;
  LayerRows rows;
  LayerBound bound;  ///< 0: rates unknown
};

/// What one way did. Times are of the slowest rank, by timed step.
struct WayResult {
  std::string name;     ///< "banyan:auto", "banyan:rows", "openmpi:pairwise"
  std::string used_as;  ///< what it came to: "auto: node"
  WayKind kind = WayKind::kGroup;
  LayerFacts facts;
  std::vector<double> route_s, dispatch_s, combine_s, exchange_s, step_s;
  int steps_per_round = 0;
  int settling_steps = 0;  ///< before the rounds, while the library tried ways
  double settling_s = 0;
  uint64_t wire_rows = 0;           ///< of a dispatch, to other hosts, all ranks
  uint64_t nic_dispatch_bytes = 0;  ///< of all hosts' interfaces, over the weighed steps
  uint64_t nic_combine_bytes = 0;
  int weighed_steps = 0;
  uint64_t checked = 0;  ///< steps
  uint64_t wrong = 0;    ///< elements, all ranks, over the checked steps

  /// Bytes of a dispatch and a combine between hosts: by the library's count of rows, and by the hosts' interfaces.
  [[nodiscard]] double formula_bytes() const;
  [[nodiscard]] double nic_bytes() const;
  [[nodiscard]] double bound_s() const { return facts.bound.dispatch_s + facts.bound.combine_s; }
};

/// A layer with every way, measured in interleaved rounds.
struct DispatchPoint {
  Layer layer;
  std::string targets;  ///< --targets; empty: none
  std::optional<TargetTimes> target_times;
  std::vector<WayResult> ways;
};

/// What Banyan (the first group) is against the best of the MPI ways, by medians of whole steps.
struct DispatchSummary {
  const WayResult* banyan = nullptr;
  const WayResult* best_mpi = nullptr;
  double speedup = 0;               ///< of the step: routing, dispatch, combine
  double exchange_speedup = 0;      ///< of dispatch and combine
  double bound_share = 0;           ///< bound / step
  double exchange_bound_share = 0;  ///< bound / dispatch and combine
  double wire_quotient = 0;         ///< bytes of interfaces / formula
  double targets_predicted = 0;     ///< speed-up over even dispatch; 0 without targets
  double targets_measured = 0;      ///< of dispatch and combine
  uint64_t wrong = 0;               ///< of all ways
};
[[nodiscard]] DispatchSummary summarize(const DispatchPoint& point);

[[nodiscard]] std::string dispatch_header();
/// A line for each way.
[[nodiscard]] std::string dispatch_lines(const DispatchPoint& point);
[[nodiscard]] Json to_json(const DispatchPoint& point);

}  // namespace banyan::perf
