// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace banyan::preload {

/// One line on stderr. Any thread.
void say(const std::string& text);

}  // namespace banyan::preload
