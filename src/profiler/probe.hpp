// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "profiler/results.hpp"

namespace banyan::profiler {

/// One thing to measure, in a given time, as a fixed number of numbers.
struct Probe {
  std::string name;
  size_t num_numbers = 1;
  std::function<std::vector<double>(double target_s)> run;
};

}  // namespace banyan::profiler
