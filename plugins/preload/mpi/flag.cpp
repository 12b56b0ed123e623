// SPDX-License-Identifier: Apache-2.0
#include "mpi/flag.hpp"

#include <cstdlib>
#include <string_view>

namespace banyan::preload {

std::optional<bool> flag(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') {
    return std::nullopt;
  }
  const std::string_view text = value;
  return text != "0" && text != "n" && text != "no" && text != "off" && text != "false";
}

}  // namespace banyan::preload
