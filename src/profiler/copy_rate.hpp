// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "profiler/runner.hpp"

namespace banyan::profiler {

/// What memcpy reaches, bytes/s, on the slowest host. Both above 0.
struct CopyRates {
  double one_core = 0;    ///< one rank of each host alone
  double whole_host = 0;  ///< all ranks of a host at once, together
};

/// Collective.
[[nodiscard]] CopyRates measure_copies(Runner& runner, double target_s);

}  // namespace banyan::profiler
