// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "coll/engine.hpp"
#include "cost/profile.hpp"

namespace banyan::profiler {

/// Called on rank 0 before each probe and once at the end: probes done, of how many, the next one's name ("done" at the
/// end), seconds left by estimate.
using Progress = std::function<void(int done, int total, const char* probe, double eta_s)>;

/// How to measure; what rank 0 gives counts. Zero and empty: default.
struct MeasureOptions {
  double budget_s = 0;      ///< aim to finish within this; default 20, at most a day
  size_t max_bytes = 0;     ///< largest message of a probe; default 4 MiB; from 4 KiB to 1 GiB
  std::string resume_file;  ///< if set: rank 0 keeps finished probes there and does not measure them again
  Progress progress;
};

/// Collective over the engine's communicator, which must be idle: measures what docs/cost-model.md says. Equal on all
/// ranks. Throws on all ranks: INVALID_ARGUMENT and IO (the resume file), which leave the communicator usable; else
/// what a failed exchange throws. A resume file of another topology, rank count or transport is logged and ignored.
[[nodiscard]] cost::Profile measure(coll::Engine& engine, const MeasureOptions& options);

}  // namespace banyan::profiler
