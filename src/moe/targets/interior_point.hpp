// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "moe/targets/dual.hpp"

namespace banyan::moe {

/// Primal-dual interior-point search for the minimum of the negated dual (Waechter and Biegler 2006, doi
/// 10.1007/s10107-004-0559-y, for the slacks' safeguard): minimises value - barrier * sum of weight * log(lambda),
/// whose Newton steps take slacks along, while the barrier shrinks. Sure also next to the least time, where limits
/// nearly contradict each other, but each step has all limits in its system. One thread.
class InteriorPoint {
 public:
  /// Starts where `dual` is. Weights of the barrier, the parts of all tokens that cross the limits in even dispatch,
  /// sum to less than kLimitFamilies; the gap it leaves in the end is below `gap`.
  InteriorPoint(Dual& dual, double gap);

  void step();

 private:
  [[nodiscard]] double central_slack(size_t i) const;
  [[nodiscard]] double merit() const;
  [[nodiscard]] Dual::Vector negated_gradient() const;
  /// What a limit's slack adds to the curvature.
  [[nodiscard]] double stiffness(size_t i) const;
  [[nodiscard]] Dual::Vector find_direction(const Dual::Vector& downhill) const;
  /// As far as Armijo's rule and the lambdas, which stay positive, allow; returns the length, 0 if there is none.
  double move(const Dual::Vector& direction, double decrement);
  /// Slacks move along the linearised lambda * slack = barrier * weight / copies.
  void follow(const Dual::Vector& start, const Dual::Vector& direction, double length);

  Dual& dual_;
  Dual::Vector weight_, slack_;
  double last_barrier_;
  double barrier_;
};

}  // namespace banyan::moe
