// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "nccl/registry.hpp"

namespace banyan::preload::nccl {

/// What this process saw, in words; every line begins with `prefix`.
std::string report_text(const Inventory& seen, const std::string& prefix);
/// The same for programs: docs/preload-nccl.md has the members.
std::string report_json(const Inventory& seen);

/// Writes the report's file if the last communicator is gone, and not more than once a second: a process may end
/// without its exit handlers. The end of the process writes all of it once more.
void report_if_idle();

}  // namespace banyan::preload::nccl
