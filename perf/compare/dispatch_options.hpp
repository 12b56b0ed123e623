// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "compare/step_rounds.hpp"
#include "layer/layer.hpp"

namespace banyan::perf {

/// The command line of dispatch_compare.
struct DispatchCompareOptions {
  LayerTerms layer;
  int groups = 1;  ///< expert-parallel ones, ranks of each this far apart
  std::vector<size_t> tokens{512};
  std::vector<std::string> dedups;  ///< of groups; empty: auto
  std::string targets;              ///< method; empty: the gate goes by popularity
  bool with_rows = true;
  bool with_mpi = true;
  std::vector<std::string> mpi_algorithms;  ///< empty: the default decision and all
  StepOptions steps;
  double min_round_ms = 10;  ///< --round-ms, which sets steps.min_round_s
  double budget_s = 0;       ///< no new number of tokens is started after this; 0: no limit
  std::string profile_file;
  std::string bound_rate;  ///< text; empty: none
  std::string lab_json_file;
  std::string label;
  std::string json_file;
  bool help = false;
};

/// UsageError names what is wrong.
[[nodiscard]] DispatchCompareOptions parse_dispatch_options(int argc, const char* const* argv);
[[nodiscard]] std::string dispatch_compare_help();

}  // namespace banyan::perf
