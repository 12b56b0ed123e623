// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.hpp"

namespace banyan::json {

/// Keeps the order of members, so that written files diff well.
using Value = nlohmann::ordered_json;

/// Parses untrusted text: nesting at most 64 deep, at most 4096 members in one object (their order is kept, so
/// inserting one looks at all), no duplicate members, numbers that fit a double. The error has line and column.
[[nodiscard]] Result<Value> parse(std::string_view text);

}  // namespace banyan::json
