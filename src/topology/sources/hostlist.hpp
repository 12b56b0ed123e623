// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace banyan::topology {

/// Expands Slurm's host lists: "n[0-3,7],gpu[01-10]x[0-1],login". Zero padding is kept. Untrusted input: at most
/// `max_names` names, 4 brackets a name, 128 bytes a name. The error's column counts from 1 in `text`.
[[nodiscard]] Result<std::vector<std::string>> expand_hostlist(std::string_view text, size_t max_names);

}  // namespace banyan::topology
