// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "common/pattern.hpp"
#include "compare/candidate.hpp"
#include "compare/mpi_api.hpp"
#include "compare/point.hpp"

namespace banyan::perf {

struct RoundOptions {
  int rounds = 11;
  double min_round_s = 0.01;  ///< a round repeats its exchange until it lasts about this long
  double min_untimed_s = 0;   ///< exchanges before it that do not count last at least so long, but for long ones
  double max_point_s = 0;     ///< after at least kFewestRounds, no round begins later than this; 0: no limit
  /// Where the median of a candidate that is near the fastest is less certain than this (uncertainty_of_median), those
  /// near it have up to kMostExtra times as many rounds, and as much time, more; 0: none. All rounds count.
  double steady = 0;
  int checks = 1;  ///< checked exchanges before and again after the rounds; 0: none
};

/// A median of fewer means little.
inline constexpr int kFewestRounds = 3;
inline constexpr int kMostExtra = 2;

/// Measures all candidates on one traffic. Collective; results are equal on all ranks.
///
/// Each candidate first runs checked and is timed until a round is long enough, which fixes its number of exchanges per
/// round. Then, round by round, every candidate runs after a barrier; who starts the round changes from round to round,
/// so that neither a slow moment of the machine nor what ran just before favours one of them. A round's time is that of
/// its slowest rank. Of the candidates that may be left out, only the two fastest of the first round go on, and who was
/// within a quarter of the fastest; a candidate whose program is lost takes no further part. Both have no rounds in the
/// results. Rounds for the sake of `steady` are those of candidates within half of the fastest alone.
[[nodiscard]] std::vector<CandidateResult> run_rounds(const std::vector<std::unique_ptr<Candidate>>& candidates,
                                                      const Traffic& traffic, const std::vector<int>& host_of,
                                                      const RoundOptions& options);

}  // namespace banyan::perf
