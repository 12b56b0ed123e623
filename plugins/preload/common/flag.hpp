// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

namespace banyan::preload {

/// Whether the environment has a value, and not an empty one.
bool is_set(const char* name) noexcept;

/// The environment's flag of this name, as docs/environment.md has them; nothing if it is not set or empty.
std::optional<bool> flag(const char* name);

}  // namespace banyan::preload
