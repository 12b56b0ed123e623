// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace banyan::fuzz {

/// A reader of untrusted text.
struct Parser {
  std::string name;
  /// Reads the text and uses what comes out in every way that a program may. Returns why the text was refused, or "".
  /// Throws std::logic_error when what was accepted is not what it should be.
  std::string (*run)(std::string_view text);
};

[[nodiscard]] const std::vector<Parser>& parsers();

}  // namespace banyan::fuzz
