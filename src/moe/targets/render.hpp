// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "moe/targets/targets.hpp"

namespace banyan::moe {

/// Times before and after, what limits them, and for each class of ranks the tokens per expert by tier, for a terminal.
[[nodiscard]] std::string render_targets_text(const Targets& targets);

/// The same for programs, `"format": "banyan-targets-1"`: rows by class of ranks (docs/targets.md). Error{LIMIT} for
/// more than kMaxJsonClasses classes, whose table would be as long as the matrix.
[[nodiscard]] std::string render_targets_json(const Targets& targets);

inline constexpr size_t kMaxJsonClasses = 512;

}  // namespace banyan::moe
