// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "exchange_job.hpp"
#include "moe/exchange/sliced_step.hpp"

namespace banyan::moe::testing {

/// A job whose ranks of equal colours have the tokens and the gate of the first of them.
struct SlicedJob : Job {
  std::vector<int> colours;  ///< empty: no slices
  bool sharded = false;
  std::vector<size_t> same_gate;  ///< by rank: whose gate and tokens it has; empty: the first of its colour

  [[nodiscard]] size_t model(size_t rank) const;
};

struct SlicedOutcome {
  std::string complaints;
  size_t wire_rows = 0;  ///< of all ranks and chunks
};

/// Routing, dispatch, experts, combine, and all gradients of all ranks, held against the definition.
[[nodiscard]] SlicedOutcome run_sliced(const SlicedJob& job);

}  // namespace banyan::moe::testing
