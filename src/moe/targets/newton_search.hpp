// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "moe/targets/dual.hpp"

namespace banyan::moe {

/// Logarithms change by no more than this in a Newton step; the exponential is nowhere near its parabola beyond.
inline constexpr double kMaxLogarithm = 4;
/// Of a decrease that the slope promises, what a step must bring (Armijo's rule).
inline constexpr double kLeastDecrease = 1e-4;
/// What rounding does to values around 1: near the end a decrease is less.
inline constexpr double kValueRounding = 1e-15;

/// One turn of coordinate ascent: each family of variables in turn is set to the best that it can be while the others
/// stay. A constraint's pairs all scale alike, so that is load / bound in logarithms.
void ascend(Dual& dual);

/// One projected Newton step (Bertsekas 1982, doi 10.1137/0320018): quick where limits that bind are few and far from
/// contradicting each other; may stall where they nearly do, close to the least time.
void newton_step(Dual& dual);

}  // namespace banyan::moe
