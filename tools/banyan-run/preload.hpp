// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "options.hpp"

namespace banyan_run {

/// Becomes the launcher of the program's MPI, which starts the ranks with the LD_PRELOAD library of that MPI
/// (docs/preload.md). Throws std::runtime_error with what is missing.
[[noreturn]] void launch_preloaded(const Options& options);

}  // namespace banyan_run
