// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

namespace banyan::perf {

/// Places, and options with a value each, in any order.
struct CommandLine {
  std::vector<std::string> places;
  std::map<std::string, std::string> values;  ///< "--rounds" to "7"

  [[nodiscard]] double number(const std::string& option, double otherwise) const;
  /// Of a place, whole and not negative.
  [[nodiscard]] size_t place(size_t index, size_t otherwise) const;
};

/// Throws std::invalid_argument where an option is none of `options`, or has no value.
[[nodiscard]] CommandLine read_command_line(int argc, char** argv, const std::vector<std::string>& options);

}  // namespace banyan::perf
