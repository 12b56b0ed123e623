// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>

#include "executor/program.hpp"

namespace banyan::coll {

/// A chosen algorithm, compiled for this rank. Serves one exchange at a time.
struct Planned {
  Planned(std::string name, const schedule::RankSchedule& part, const executor::CompileOptions& options)
      : algorithm(std::move(name)), program(part, options) {}

  std::string algorithm;  ///< docs/algorithms.md's name
  executor::Program program;
};

}  // namespace banyan::coll
