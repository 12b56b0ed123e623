// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "compare/dispatch_point.hpp"
#include "layer/way.hpp"

namespace banyan::perf {

struct StepOptions {
  int rounds = 11;
  double min_round_s = 0.01;  ///< a round repeats its step until it lasts about this long
  double max_point_s = 0;     ///< after at least 3 rounds, no round begins later than this; 0: no limit
  double max_settle_s = 6;    ///< on a library's trials before the rounds
};

/// A way that takes part, for a layer that outlives it.
struct Entrant {
  std::string name;
  WayKind kind = WayKind::kGroup;
  const Layer* layer = nullptr;
  LayerFacts facts;
  std::unique_ptr<Way> way;
};

/// Measures all ways. Collective; results are equal on all ranks. host_of: [num_ranks]. `layer_rank`: this rank's in
/// the layers.
///
/// Each way first makes a checked step, then steps until its library tries nothing more, then a few that fix how many a
/// round has. Round by round every way runs in turn, in an order that is shuffled anew: a barrier, untimed steps, a
/// barrier, then the timed steps back to back, each timed by itself on every rank. In the end each makes a checked step
/// again, and two between barriers around which the hosts' interfaces are read.
[[nodiscard]] std::vector<WayResult> run_steps(std::vector<Entrant>& entrants, const std::vector<int>& host_of,
                                               int layer_rank, const StepOptions& options);

}  // namespace banyan::perf
