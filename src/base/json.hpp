// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.hpp"

namespace banyan::json {

/// Keeps the order of members, so that written files diff well.
using Value = nlohmann::ordered_json;

inline constexpr size_t kMaxTextBytes = size_t{64} << 20;
inline constexpr size_t kMaxValueBytes = size_t{512} << 20;  ///< of memory, roughly
inline constexpr size_t kMaxDepth = 64;
inline constexpr size_t kMaxMembers = 4096;  ///< of one object

/// Parses untrusted text in time that grows linearly with its length: limits as above, no duplicate members, numbers
/// that fit a double. The error has line and column.
[[nodiscard]] Result<Value> parse(std::string_view text);

}  // namespace banyan::json
