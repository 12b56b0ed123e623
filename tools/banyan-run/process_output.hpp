// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace banyan_run {

/// What a program writes to stdout, run without a shell; nullopt if it cannot be run or fails.
[[nodiscard]] std::optional<std::string> output_of(const std::vector<std::string>& command);

}  // namespace banyan_run
