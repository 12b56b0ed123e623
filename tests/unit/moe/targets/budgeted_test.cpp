// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "moe/targets/projection.hpp"
#include "problems.hpp"

namespace banyan::moe {
namespace {

/// The independent solver: a log-barrier method on the pairs themselves, dense and plain. Minimises
/// sum x log(x / u) - x + u subject to A x = b (rows and columns) and G x <= h (limits), from a strictly feasible
/// start, by Newton steps on t * objective - sum log(h - G x), t growing (Boyd and Vandenberghe, Convex Optimization,
/// 11.3). When it ends its objective is within limits / t of the optimum.
class Barrier {
 public:
  using Vector = std::vector<double>;

  Vector even;  // u, of the pairs that may be above 0
  std::vector<Vector> equalities;
  std::vector<Vector> limits;
  Vector bounds;

  Vector solve(Vector x) const {
    // From a smaller t on, pairs would first go where their logarithm hardly counts, 0.
    for (double t = 1e3; t < 1e9; t *= 8) {
      for (int step = 0; step < 100 && newton(x, t) > 1e-10; ++step) {
      }
    }
    return x;
  }

 private:
  static double dot(const Vector& a, const Vector& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }

  double merit(const Vector& x, double t) const {
    double value = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      if (!(x[i] > 0)) {
        return INFINITY;
      }
      value += t * (x[i] * std::log(x[i] / even[i]) - x[i]);
    }
    for (size_t l = 0; l < limits.size(); ++l) {
      const double left = bounds[l] - dot(limits[l], x);
      if (!(left > 0)) {
        return INFINITY;
      }
      value -= std::log(left);
    }
    return value;
  }

  /// One damped step within A x = b; the Newton decrement, squared.
  double newton(Vector& x, double t) const {
    const size_t n = x.size();
    Vector gradient(n);
    Vector scale(n);  // unknowns are steps relative to it, so that the system's entries are near 1
    for (size_t i = 0; i < n; ++i) {
      gradient[i] = t * std::log(x[i] / even[i]);
      scale[i] = std::sqrt(x[i] / t);
    }
    std::vector<Vector> system(n + equalities.size(), Vector(n + equalities.size() + 1, 0));
    for (size_t l = 0; l < limits.size(); ++l) {
      const double left = bounds[l] - dot(limits[l], x);
      for (size_t i = 0; i < n; ++i) {
        gradient[i] += limits[l][i] / left;
        for (size_t j = 0; j < n; ++j) {
          system[i][j] += limits[l][i] * limits[l][j] / left / left * scale[i] * scale[j];
        }
      }
    }
    for (size_t i = 0; i < n; ++i) {
      system[i][i] += 1;
      system[i].back() = -gradient[i] * scale[i];
    }
    for (size_t r = 0; r < equalities.size(); ++r) {
      double largest = 0;
      for (size_t i = 0; i < n; ++i) {
        largest = std::max(largest, equalities[r][i] * scale[i]);
      }
      for (size_t i = 0; i < n; ++i) {
        system[i][n + r] = system[n + r][i] = equalities[r][i] * scale[i] / largest;
      }
    }
    const Vector step = eliminate(std::move(system));
    double decrement = 0;
    for (size_t i = 0; i < n; ++i) {
      decrement -= gradient[i] * step[i] * scale[i];
    }
    const double before = merit(x, t);
    for (double length = 1; length > 1e-12; length /= 2) {
      Vector next = x;
      for (size_t i = 0; i < n; ++i) {
        next[i] += length * step[i] * scale[i];
      }
      if (merit(next, t) <= before - 0.1 * length * decrement + 1e-14 * std::abs(before)) {
        x = next;
        break;
      }
    }
    return decrement;
  }

  /// Gauss with partial pivoting.
  static Vector eliminate(std::vector<Vector> a) {
    const size_t n = a.size();
    for (size_t column = 0; column < n; ++column) {
      size_t best = column;
      for (size_t row = column; row < n; ++row) {
        best = std::abs(a[row][column]) > std::abs(a[best][column]) ? row : best;
      }
      std::swap(a[column], a[best]);
      for (size_t row = 0; row < n; ++row) {
        const double factor = row == column ? 0 : a[row][column] / a[column][column];
        for (size_t k = column; factor != 0 && k <= n; ++k) {
          a[row][k] -= factor * a[column][k];
        }
      }
    }
    Vector x(n);
    for (size_t i = 0; i < n; ++i) {
      x[i] = a[i][n] / a[i][i];
    }
    return x;
  }
};

/// The least divergence of a share within `seconds`, found from `start`, the matrix of a share that is well within.
double least_divergence(const RandomScene& random, const TokenDemand& demand, const std::vector<double>& start,
                        double seconds) {
  const size_t ranks = demand.tokens.size();
  const auto even = even_matrix(demand);
  std::vector<size_t> pairs;
  Barrier barrier;
  std::vector<double> x;
  for (size_t pair = 0; pair < even.size(); ++pair) {
    if (even[pair] > 0) {
      pairs.push_back(pair);
      barrier.even.push_back(even[pair] / demand.total);
      x.push_back(start[pair] / demand.total);
    }
  }
  // One of the sums follows from the others, and is left out.
  size_t last = ranks - 1;
  while (demand.received(last) == 0) {
    --last;
  }
  for (size_t r = 0; r < ranks; ++r) {
    std::vector<double> row;
    std::vector<double> column;
    for (const size_t pair : pairs) {
      row.push_back(pair / ranks == r ? 1 : 0);
      column.push_back(pair % ranks == r ? 1 : 0);
    }
    if (demand.sent(r) > 0) {
      barrier.equalities.push_back(row);
    }
    if (demand.received(r) > 0 && r != last) {
      barrier.equalities.push_back(column);
    }
  }
  for (const PlainLimit& limit : plain_limits(random.scene)) {
    std::vector<double> carries;
    for (const size_t pair : pairs) {
      carries.push_back(limit.carries[pair]);
    }
    barrier.limits.push_back(carries);
    barrier.bounds.push_back(limit.bytes_per_s * seconds / 1024 / demand.total);
  }
  const auto found = barrier.solve(x);
  std::vector<double> matrix(even.size(), 0);
  for (size_t k = 0; k < pairs.size(); ++k) {
    matrix[pairs[k]] = found[k] * demand.total;
  }
  return plain_divergence(matrix, even);
}

TEST(Budgeted, RandomTreesThenWithinTheBudgetAndAsEvenAsTheIndependentSolverGets) {
  int compared = 0;
  EXPECT_TRUE(rc::check([&] {
    const RandomScene random = random_scene();
    TargetProblem problem = random.problem(TargetMethod::kExact);
    const Targets exact = compute_targets(problem);
    if (exact.even_s <= exact.least_s * 1.001) {
      return;
    }
    problem.method = TargetMethod::kBudgeted;
    const double part = *rc::gen::element(0.05, 0.2, 0.5, 0.9);
    problem.budget_s = exact.least_s + part * (exact.even_s - exact.least_s);
    const Targets targets = compute_targets(problem);
    const auto limits = plain_limits(random.scene);
    const auto matrix = rank_matrix(targets);
    RC_ASSERT(targets.budget_met);
    RC_ASSERT(plain_time(limits, matrix, 1024) <= problem.budget_s);
    RC_ASSERT(std::abs(targets.divergence - plain_divergence(matrix, even_matrix(targets.demand))) < 1e-9);
    RC_ASSERT(std::abs(targets.gap) <= kProjectionTolerance);
    expect_dispatch(targets);
    // A mixture of the exact and the even share is strictly within all limits.
    auto start = rank_matrix(exact);
    const auto even = even_matrix(targets.demand);
    for (size_t pair = 0; pair < start.size(); ++pair) {
      start[pair] += part / 2 * (even[pair] - start[pair]);
    }
    const double least = least_divergence(random, targets.demand, start, problem.budget_s);
    RC_ASSERT(std::abs(targets.divergence - least) < 1e-6);
    ++compared;
  }));
  EXPECT_GE(compared, 20);
}

TEST(Budgeted, MoreTimeThenMoreEven) {
  const Scene scene("3:[4,4,7] nic=[10gbit,1gbit,10gbit]");
  TargetProblem problem = scene.problem(TargetMethod::kBudgeted);
  const Targets exact = compute_targets(scene.problem(TargetMethod::kExact));
  double before = exact.divergence;
  for (double part = 0.1; part < 1; part += 0.1) {
    problem.budget_s = exact.least_s + part * (exact.even_s - exact.least_s);
    const Targets targets = compute_targets(problem);
    EXPECT_LT(targets.divergence, before);
    EXPECT_LE(targets.time_s, problem.budget_s);
    EXPECT_GT(targets.time_s, 0.999 * problem.budget_s) << "no more uneven than needed";
    before = targets.divergence;
  }
  problem.budget_s = exact.even_s;
  EXPECT_LT(compute_targets(problem).divergence, 1e-15);
}

TEST(Budgeted, LessThanTheLeastThenTheExactTargetsAndAFlag) {
  const Scene scene("2:[8,7] nic=1gbit");
  TargetProblem problem = scene.problem(TargetMethod::kBudgeted);
  const Targets exact = compute_targets(scene.problem(TargetMethod::kExact));
  problem.budget_s = exact.least_s / 2;
  const Targets targets = compute_targets(problem);
  EXPECT_FALSE(targets.budget_met);
  EXPECT_DOUBLE_EQ(targets.time_s, exact.time_s);
  EXPECT_EQ(targets.row(3), exact.row(3));
  problem.budget_s = exact.least_s;
  EXPECT_FALSE(compute_targets(problem).budget_met) << "the slack of the exact targets is told of";
  problem.budget_s = exact.least_s * 1.00001;
  EXPECT_TRUE(compute_targets(problem).budget_met);
}

}  // namespace
}  // namespace banyan::moe
