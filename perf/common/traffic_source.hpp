// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/program_options.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "common/options.hpp"
#include "common/traffic.hpp"

namespace banyan::perf {

/// Where the counts of an all-to-all-v come from: a file, a generator, or the same size for every pair.
struct TrafficOptions {
  std::string matrix_file;  ///< --matrix
  std::string generator;    ///< --gen
  uint64_t seed = 1;        ///< --seed
};

/// --matrix, --gen and --seed; they set `options`, which must outlive the parse.
[[nodiscard]] boost::program_options::options_description traffic_options(TrafficOptions& options);

/// The traffic of every point of a sweep. A file is one point; else a point per size, generated counts averaging it.
/// UsageError when the file or the spec does not parse or does not fit the number of ranks. Local, equal on all ranks.
[[nodiscard]] std::vector<Traffic> variable_traffic(const TrafficOptions& options, const SweepOptions& sweep,
                                                    int num_ranks);

}  // namespace banyan::perf
