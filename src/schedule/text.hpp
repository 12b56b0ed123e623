// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"
#include "schedule/schedule.hpp"

namespace banyan::schedule {

/// The text form of docs/schedule-ir.md; parse(print(s)) == s.
[[nodiscard]] std::string print(const Schedule& schedule);
[[nodiscard]] Result<Schedule> parse(std::string_view text);

}  // namespace banyan::schedule
