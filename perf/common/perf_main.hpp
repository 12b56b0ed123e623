// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/options.hpp"
#include "common/traffic.hpp"

namespace banyan::perf {

/// What tells alltoall_perf and alltoallv_perf apart.
struct PerfProgram {
  const char* name = "";
  const char* summary = "";                             ///< one line for --help
  const char* examples = "";                            ///< lines for --help
  boost::program_options::options_description options;  ///< the program's own
  /// The points of the sweep, for this many ranks.
  std::function<std::vector<Traffic>(const SweepOptions&, int num_ranks)> points;
};

/// Parses the command line, joins the job of the launcher, measures every point and prints. Returns the exit code.
[[nodiscard]] int perf_main(int argc, const char* const* argv, const PerfProgram& program);

}  // namespace banyan::perf
