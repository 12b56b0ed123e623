// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "moe/targets/share.hpp"

namespace banyan::moe {

/// The share of least Kullback-Leibler divergence, and how sure that is.
struct Projection {
  Share share;
  double divergence = 0;  ///< sum of x log(x / u) - x + u over pairs, in nats per token copy; u the prior
  double gap = 0;         ///< divergence minus the dual's value, which no share that meets all constraints is below
  double error = 0;       ///< largest relative error of a row sum, a column sum, or excess over a limit
  int steps = 0;
};

/// What is left of errors and gap when the search stops.
inline constexpr double kProjectionTolerance = 1e-10;

/// I-projection (Csiszar 1975, doi 10.1214/aop/1176996454) of the prior onto the shares whose rows and columns have
/// their sums and whose limits carry at most `seconds` * rate: min sum x log(x / u) - x + u. Its solution is
/// x = u exp(-(row_i + column_j + sum of lambda of the limits that carry the pair)), lambda >= 0, with one dual per
/// constraint. The dual is climbed by turns of coordinate ascent, each closed-form (generalised iterative scaling,
/// Darroch and Ratcliff 1972, doi 10.1214/aoms/1177692379; without limits it is Sinkhorn's) with projected Newton steps
/// between, and where these stall by an interior-point search. Stops when error and gap are at most
/// kProjectionTolerance, which proves the point: no share that meets all constraints has less than divergence - gap.
/// `seconds` must be more than the least that is possible. Error{INTERNAL} if the search does not get there.
[[nodiscard]] Projection project(const Shape& shape, const std::vector<Limit>& limits, double seconds,
                                 const PerClass& distance);

}  // namespace banyan::moe
