// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

namespace banyan::preload {

/// The environment's flag of this name, as docs/environment.md has them; nothing if it is not set or empty.
std::optional<bool> flag(const char* name);

}  // namespace banyan::preload
