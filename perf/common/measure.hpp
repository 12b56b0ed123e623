// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/report.hpp"

namespace banyan::perf {

/// Measures one exchange over a communicator: warm-up, timed exchanges, then checked ones. Collective; the row is equal
/// on all ranks. Timing: one barrier, the untimed exchanges, then each timed exchange by itself, back to back; the
/// slowest rank of each.
[[nodiscard]] Row measure(banyan_comm* comm, const CommShape& shape, const Traffic& traffic,
                          const SweepOptions& options);

}  // namespace banyan::perf
