// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "options.hpp"

namespace banyan_run {

/// Becomes the launcher of the program's MPI, which starts the ranks with the LD_PRELOAD library of that MPI
/// (docs/preload.md). Throws std::runtime_error with what is missing.
[[noreturn]] void launch_preloaded(const Options& options);

/// The options with the LD_PRELOAD library for NCCL (docs/preload-nccl.md) among the variables of the ranks, before
/// others that are to be preloaded. Throws std::runtime_error if it is not there.
[[nodiscard]] Options with_nccl_preloaded(const Options& options);

}  // namespace banyan_run
