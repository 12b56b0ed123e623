// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace banyan::coll {

/// Per-exchange choices, equal on all ranks.
struct Options {
  std::string_view algorithm;  ///< borrowed for the call; empty: the communicator's, else a name of docs/algorithms.md
  double timeout_s = 0;        ///< 0: the communicator's
};

}  // namespace banyan::coll
