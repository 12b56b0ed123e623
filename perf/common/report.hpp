// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "common/environment.hpp"
#include "common/exchange.hpp"
#include "common/options.hpp"

namespace banyan::perf {

/// One line of a benchmark: one size, all its figures. Times are of the slowest rank.
struct Row {
  size_t size_bytes = 0;       ///< per pair; of an all-to-all-v the mean
  uint64_t busiest_bytes = 0;  ///< in the busiest rank's larger buffer
  size_t element_size = 1;
  int num_ranks = 1;
  std::vector<double> times_s;  ///< by iteration
  uint64_t checked = 0;         ///< exchanges whose data were checked
  uint64_t wrong = 0;           ///< bytes, over all ranks and checked exchanges
  uint64_t num_exchanges = 0;   ///< that `counters` cover
  Counters counters;            ///< of all ranks
  PlanFigures plan;
};

/// The figures of a row that follow from the others.
struct RowFigures {
  double p50_s = 0;
  double p99_s = 0;
  double algorithm_bytes_per_s = 0;
  double bus_bytes_per_s = 0;
  double wire_bytes = 0;       ///< between hosts, per exchange, all ranks, headers included
  double bound_share = 0;      ///< bound / p50: 1 is the limit of the wires
  double predicted_ratio = 0;  ///< predicted / p50
};
[[nodiscard]] RowFigures figures_of(const Row& row);

/// nccl-tests' manners: comment lines start with '#'.
[[nodiscard]] std::string table_header();
[[nodiscard]] std::string table_line(const Row& row);
[[nodiscard]] std::string table_footer(const std::vector<Row>& rows);

[[nodiscard]] Json to_json(const Row& row);
[[nodiscard]] Json to_json(const SweepOptions& options);

}  // namespace banyan::perf
