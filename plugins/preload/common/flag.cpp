// SPDX-License-Identifier: Apache-2.0
#include "common/flag.hpp"

#include <cstdlib>
#include <string_view>

namespace banyan::preload {

bool is_set(const char* name) noexcept {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

std::optional<bool> flag(const char* name) {
  if (!is_set(name)) {
    return std::nullopt;
  }
  const std::string_view text = std::getenv(name);
  return text != "0" && text != "n" && text != "no" && text != "off" && text != "false";
}

}  // namespace banyan::preload
