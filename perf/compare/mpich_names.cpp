// SPDX-License-Identifier: Apache-2.0
#include "compare/mpich_names.hpp"

#include <regex>

namespace banyan::perf {

std::vector<std::string> mpich_algorithm_names(const std::string& description) {
  // A text ends with "algorithm" or "_FILE)", and the next name may follow it without a blank.
  static const std::regex entry(R"((?:algorithm|\))\s*([a-z_]+)\s+- )");
  std::vector<std::string> names;
  for (std::sregex_iterator at(description.begin(), description.end(), entry), end; at != end; ++at) {
    names.push_back((*at)[1]);
  }
  if (names.empty() || names.front() != "auto") {
    return {};
  }
  return names;
}

}  // namespace banyan::perf
