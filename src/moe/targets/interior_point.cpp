// SPDX-License-Identifier: Apache-2.0
#include "moe/targets/interior_point.hpp"

#include <algorithm>
#include <cmath>

#include "moe/targets/linear_solve.hpp"
#include "moe/targets/newton_search.hpp"

namespace banyan::moe {
namespace {

using Vector = Dual::Vector;

constexpr int kMaxHalvings = 50;
constexpr double kFirstBarrier = 1e-2;
/// The barrier shrinks by this once a step's decrement, squared, is less than this part of it.
constexpr double kShrink = 0.1;
/// Of the way to where a lambda would be 0.
constexpr double kBoundary = 0.995;
/// How far a slack may be from where the barrier would have it.
constexpr double kMaxOffCentre = 100;

}  // namespace

InteriorPoint::InteriorPoint(Dual& dual, double gap)
    : dual_(dual),
      weight_(dual.size(), 0),
      slack_(dual.size(), 0),
      last_barrier_(gap / 2 / kLimitFamilies),
      barrier_(kFirstBarrier) {
  Vector start = dual.variables();
  for (size_t i = 0; i < dual.size(); ++i) {
    weight_[i] = dual.is_limit(i) ? dual.copies(i) * dual.even_load(i) : 0;
    start[i] = dual.is_limit(i) ? std::max(start[i], kFirstBarrier) : start[i];
  }
  dual.move_to(start);
  for (size_t i = 0; i < dual.size(); ++i) {
    slack_[i] = dual.is_limit(i) ? central_slack(i) : 0;
  }
}

double InteriorPoint::central_slack(size_t i) const {
  return barrier_ * weight_[i] / dual_.copies(i) / dual_.variables()[i];
}

double InteriorPoint::merit() const {
  double sum = dual_.value();
  for (size_t i = 0; i < weight_.size(); ++i) {
    sum -= weight_[i] > 0 ? barrier_ * weight_[i] * std::log(dual_.variables()[i]) : 0;
  }
  return sum;
}

Vector InteriorPoint::negated_gradient() const {
  Vector result(dual_.size());
  for (size_t i = 0; i < result.size(); ++i) {
    result[i] = -dual_.gradient(i) + (dual_.is_limit(i) ? barrier_ * weight_[i] / dual_.variables()[i] : 0);
  }
  return result;
}

double InteriorPoint::stiffness(size_t i) const {
  return dual_.is_limit(i) ? dual_.copies(i) * slack_[i] / dual_.variables()[i] : 0;
}

Vector InteriorPoint::find_direction(const Vector& downhill) const {
  Vector diagonal(dual_.size());
  for (size_t i = 0; i < diagonal.size(); ++i) {
    diagonal[i] = dual_.bound(i) > 0 ? dual_.diagonal(i) + stiffness(i) : 0;
  }
  Vector direction = solve_semidefinite(
      [this](const Vector& x) {
        Vector image = dual_.curvature(x);
        for (size_t i = 0; i < image.size(); ++i) {
          image[i] += stiffness(i) * x[i];
        }
        return image;
      },
      diagonal, downhill);
  double longest = 0;
  for (const double entry : direction) {
    longest = std::max(longest, std::abs(entry));
  }
  for (double& entry : direction) {
    entry *= longest > kMaxLogarithm ? kMaxLogarithm / longest : 1;
  }
  return direction;
}

double InteriorPoint::move(const Vector& direction, double decrement) {
  const Vector start = dual_.variables();
  const double before = merit();
  double length = 1;
  for (size_t i = 0; i < start.size(); ++i) {
    if (dual_.is_limit(i) && direction[i] < 0) {
      length = std::min(length, -kBoundary * start[i] / direction[i]);
    }
  }
  for (int halving = 0; halving < kMaxHalvings; ++halving, length /= 2) {
    Vector next = start;
    for (size_t i = 0; i < next.size(); ++i) {
      next[i] += length * direction[i];
    }
    dual_.move_to(next);
    if (merit() <= before - kLeastDecrease * length * decrement + kValueRounding) {
      follow(start, direction, length);
      return length;
    }
  }
  dual_.move_to(start);
  return 0;
}

void InteriorPoint::follow(const Vector& start, const Vector& direction, double length) {
  for (size_t i = 0; i < start.size(); ++i) {
    if (dual_.is_limit(i)) {
      const double product = barrier_ * weight_[i] / dual_.copies(i);
      const double change = product / start[i] - slack_[i] - slack_[i] * direction[i] / start[i];
      const double centre = central_slack(i);
      slack_[i] = std::clamp(slack_[i] + length * change, centre / kMaxOffCentre, centre * kMaxOffCentre);
    }
  }
}

void InteriorPoint::step() {
  const Vector downhill = negated_gradient();
  const Vector direction = find_direction(downhill);
  double decrement = 0;
  for (size_t i = 0; i < direction.size(); ++i) {
    decrement += downhill[i] * direction[i];
  }
  const double length = move(direction, decrement);
  if (length == 0 || (length > kBoundary / 2 && decrement < kShrink * barrier_)) {
    barrier_ = std::max(last_barrier_, barrier_ * kShrink);
  }
}

}  // namespace banyan::moe
