// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "moe/gate/scores.hpp"

namespace banyan::moe::gate {

/// A balanced assignment, the sum of the scores that it collects, and by how much another one may collect more.
struct Balanced {
  Routing routing{};
  double total = 0;
  double gap = 0;  ///< from the dual: 0 but for roundings
};

/// See banyan_gate_balanced: one expert for each token, floor(T / E) or ceil(T / E) tokens for each expert, and the
/// largest sum of scores, exact but for the rounding of double. Successive shortest paths with potentials (Ahuja,
/// Magnanti, Orlin: Network Flows, 1993, section 9.7) on a graph whose nodes are the experts: T searches of E^2 steps,
/// and T / E * E steps for each token that is moved on.
[[nodiscard]] Balanced balanced(const Scores& scores);

}  // namespace banyan::moe::gate
