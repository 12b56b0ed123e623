// SPDX-License-Identifier: Apache-2.0
#include "gpu/command_line.hpp"

#include <algorithm>
#include <stdexcept>

namespace banyan::perf {

double CommandLine::number(const std::string& option, double otherwise) const {
  const auto found = values.find(option);
  return found == values.end() ? otherwise : std::stod(found->second);
}

size_t CommandLine::place(size_t index, size_t otherwise) const {
  return index < places.size() ? std::stoull(places[index]) : otherwise;
}

CommandLine read_command_line(int argc, char** argv, const std::vector<std::string>& options) {
  CommandLine line;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.rfind("--", 0) != 0) {
      line.places.push_back(word);
    } else if (std::find(options.begin(), options.end(), word) == options.end()) {
      throw std::invalid_argument("unknown option " + word);
    } else if (i + 1 == argc) {
      throw std::invalid_argument(word + " needs a value");
    } else {
      line.values[word] = argv[++i];
    }
  }
  return line;
}

}  // namespace banyan::perf
