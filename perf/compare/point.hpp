// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/environment.hpp"
#include "common/exchange.hpp"
#include "compare/verdict.hpp"

namespace banyan::perf {

/// What one candidate did at one point. Times are of the slowest rank, per exchange.
struct CandidateResult {
  std::string name;
  bool is_banyan = false;
  std::vector<double> round_s;       ///< by round; empty: not measured to the end
  double left_out_s = 0;             ///< > 0: left out for this time in the first round
  int exchanges_per_round = 0;       ///< timed
  uint64_t num_exchanges = 0;        ///< all, which the counters cover
  int settling_calls = 0;            ///< before the rounds, while the library tried ways to make the exchange
  double settling_s = 0;             ///< what they took
  uint64_t checked = 0;              ///< exchanges whose data were checked
  uint64_t wrong = 0;                ///< bytes, all ranks, over the checked exchanges
  uint64_t nic_bytes = 0;            ///< sent by all hosts' interfaces
  std::optional<Counters> counters;  ///< of all ranks
  std::optional<PlanFigures> plan;

  [[nodiscard]] double median_s() const;
  [[nodiscard]] double p99_s() const;  ///< over the rounds; of fewer than 100 the slowest
  [[nodiscard]] double nic_bytes_per_exchange() const;
};

/// One size (or matrix) with every candidate, measured in interleaved rounds.
struct Point {
  size_t size_bytes = 0;  ///< per pair; of an all-to-all-v the mean
  PointKind kind = PointKind::kOther;
  bool judged = false;  ///< by the bar of its kind
  std::string traffic;  ///< how it was made, for people
  uint64_t inter_host_bytes = 0;
  double busiest_rank_share = 0;  ///< of all bytes, what the busiest rank sends or receives
  std::optional<double> bound_s;  ///< from given link rates; else the plan's own is used
  std::vector<CandidateResult> candidates;
};

/// A point's figures: what Banyan (its first candidate) is against the best of the others.
struct PointSummary {
  const CandidateResult* banyan = nullptr;    ///< nullptr: not measured
  const CandidateResult* best_mpi = nullptr;  ///< of Open MPI and MPICH; nullptr: not measured
  double bound_s = 0;
  double predicted_ratio = 0;  ///< predicted / measured; 0 without a prediction
  uint64_t wrong = 0;          ///< of all candidates
  Verdict verdict;
};
[[nodiscard]] PointSummary summarize(const Point& point);

[[nodiscard]] std::string comparison_header(const std::vector<std::string>& candidates);
[[nodiscard]] std::string comparison_line(const Point& point);
/// Points passed, share of predictions within 25 %, wrong bytes.
[[nodiscard]] std::string comparison_footer(const std::vector<Point>& points);

[[nodiscard]] Json to_json(const Point& point);
/// One line per point and candidate; `label` and header once.
[[nodiscard]] std::string to_csv(const std::vector<Point>& points, const std::string& label);

}  // namespace banyan::perf
