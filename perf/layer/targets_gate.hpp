// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "layer/layer.hpp"

namespace banyan::perf {

/// What banyan/targets.h says of its targets: transfer times of one exchange, each copy of a row on the wire.
struct TargetTimes {
  double even_s = 0;
  double targets_s = 0;
  double most_per_token = 0;
  bool budget_met = true;
  bool measured = false;  ///< speeds come from a profile
};

/// Sets layer.targets by `method`: "closed", "exact" or "budgeted:X", with a budget of even dispatch's time / X. With
/// the communicator's topology and profile; equal on all ranks; local. UsageError: another method, an X that is not
/// above 1, a layer with replicas. Borrows comm.
[[nodiscard]] TargetTimes aim(Layer& layer, const banyan_comm* comm, const std::string& method);

}  // namespace banyan::perf
