// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "common/options.hpp"
#include "common/traffic_source.hpp"
#include "compare/rounds.hpp"

namespace banyan::perf {

/// The command line of mpi_compare.
struct CompareOptions {
  SweepOptions sweep;
  TrafficOptions traffic;
  RoundOptions rounds;
  double min_round_ms = 10;   ///< --round-ms, which sets rounds.min_round_s
  double steady_percent = 0;  ///< --steady, which sets rounds.steady
  bool variable = false;      ///< --alltoallv, or a matrix or generator is given
  bool with_banyan = true;
  bool with_preloaded = false;
  bool with_bars = false;
  std::vector<std::string> algorithms;      ///< of Banyan, besides auto
  std::vector<std::string> mpi_algorithms;  ///< of Open MPI; empty: its default decision and all
  std::string mpich_sockets;                ///< folder of mpich_compare's sockets; empty: no MPICH
  std::string profile_file;
  std::string bound_rate;  ///< text; empty: none
  std::string lab_json_file;
  std::string label;
  std::string csv_file;
  double budget_s = 0;  ///< no new size is started after this; 0: no limit
  bool help = false;
};

/// UsageError names what is wrong.
[[nodiscard]] CompareOptions parse_compare_options(int argc, const char* const* argv);
[[nodiscard]] std::string compare_help();

}  // namespace banyan::perf
