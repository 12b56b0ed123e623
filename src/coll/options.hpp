// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace banyan::coll {

/// What a waiting thread calls now and then, see banyan_alltoall_options.
struct Meanwhile {
  int (*function)(void* context) = nullptr;  ///< not 0: the exchange ends
  void* context = nullptr;
};

/// Per-exchange choices, equal on all ranks but for the last.
struct Options {
  std::string_view algorithm;  ///< borrowed for the call; empty: the communicator's, else a name of docs/algorithms.md
  double timeout_s = 0;        ///< 0: the communicator's
  Meanwhile meanwhile = {};
};

}  // namespace banyan::coll
