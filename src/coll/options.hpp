// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace banyan::coll {

/// Per-exchange choices, equal on all ranks.
struct Options {
  std::string algorithm;  ///< empty: the communicator's, else a name of docs/algorithms.md
  double timeout_s = 0;   ///< 0: the communicator's
};

}  // namespace banyan::coll
