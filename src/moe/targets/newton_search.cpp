// SPDX-License-Identifier: Apache-2.0
#include "moe/targets/newton_search.hpp"

#include <algorithm>
#include <cmath>

#include "moe/targets/linear_solve.hpp"

namespace banyan::moe {
namespace {

using Vector = Dual::Vector;

constexpr int kMaxHalvings = 40;

/// The best that one family of variables can be while the others stay: each constraint's pairs all scale alike.
void ascend_family(Dual& dual, int family) {
  Vector next = dual.variables();
  for (size_t i = 0; i < next.size(); ++i) {
    if (dual.family(i) == family && dual.bound(i) > 0 && dual.loads()[i] > 0) {
      const double best = next[i] + std::log(dual.loads()[i] / dual.bound(i));
      next[i] = dual.is_limit(i) ? std::max(0.0, best) : best;
    }
  }
  if (next != dual.variables()) {
    dual.move_to(next);
  }
}

/// Variables that Newton's step may move: not the limits that are at 0 and would go below.
std::vector<size_t> free_variables(const Dual& dual) {
  std::vector<size_t> free;
  for (size_t i = 0; i < dual.size(); ++i) {
    if (dual.is_limit(i) ? dual.variables()[i] > 0 || dual.gradient(i) < 0 : dual.bound(i) > 0) {
      free.push_back(i);
    }
  }
  return free;
}

Vector newton_direction(const Dual& dual, const std::vector<size_t>& free) {
  Vector slope;
  Vector diagonal;
  for (const size_t i : free) {
    slope.push_back(-dual.gradient(i));
    diagonal.push_back(dual.diagonal(i));
  }
  const Vector part = solve_semidefinite(
      [&](const Vector& x) {
        Vector full(dual.size(), 0);
        for (size_t k = 0; k < free.size(); ++k) {
          full[free[k]] = x[k];
        }
        const Vector image = dual.curvature(full);
        Vector result;
        for (const size_t i : free) {
          result.push_back(image[i]);
        }
        return result;
      },
      diagonal, slope);
  Vector direction(dual.size(), 0);
  double longest = 0;
  for (size_t k = 0; k < free.size(); ++k) {
    direction[free[k]] = part[k];
    longest = std::max(longest, std::abs(part[k]));
  }
  for (double& entry : direction) {
    entry *= longest > kMaxLogarithm ? kMaxLogarithm / longest : 1;
  }
  return direction;
}

}  // namespace

void ascend(Dual& dual) {
  for (int family = kLimitFamilies - 1; family >= -2; --family) {
    ascend_family(dual, family);
  }
}

void newton_step(Dual& dual) {
  const Vector direction = newton_direction(dual, free_variables(dual));
  const Vector start = dual.variables();
  const double before = dual.value();
  Vector gradient;
  for (size_t i = 0; i < dual.size(); ++i) {
    gradient.push_back(dual.gradient(i));
  }
  double length = 1;
  for (int halving = 0; halving < kMaxHalvings; ++halving, length /= 2) {
    Vector next = start;
    double slope = 0;
    for (size_t i = 0; i < next.size(); ++i) {
      next[i] += length * direction[i];
      next[i] = dual.is_limit(i) ? std::max(0.0, next[i]) : next[i];
      slope += gradient[i] * (next[i] - start[i]);
    }
    dual.move_to(next);
    if (dual.value() <= before + kLeastDecrease * slope + kValueRounding) {
      return;
    }
  }
  dual.move_to(start);
}

}  // namespace banyan::moe
