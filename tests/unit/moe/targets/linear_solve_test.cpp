// SPDX-License-Identifier: Apache-2.0
#include "moe/targets/linear_solve.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace banyan::moe {
namespace {

/// The Laplacian of a ring plus `extra` times the identity; with extra 0 constants have no curvature.
LinearMap ring(double extra) {
  return [extra](const std::vector<double>& x) {
    std::vector<double> result(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      result[i] = (2 + extra) * x[i] - x[(i + 1) % x.size()] - x[(i + x.size() - 1) % x.size()];
    }
    return result;
  };
}

double residual(const LinearMap& map, const std::vector<double>& x, const std::vector<double>& b) {
  const auto image = map(x);
  double worst = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    worst = std::max(worst, std::abs(image[i] - b[i]));
  }
  return worst;
}

TEST(LinearSolve, SmallAndLargeSystemsThenSolved) {
  for (const size_t size : {size_t{3}, size_t{50}, kMaxDense, kMaxDense + 1, size_t{3000}}) {
    std::vector<double> b(size);
    for (size_t i = 0; i < size; ++i) {
      b[i] = std::sin(static_cast<double>(i));
    }
    const auto map = ring(0.1);
    EXPECT_LT(residual(map, solve_semidefinite(map, std::vector<double>(size, 2.1), b), b), 1e-7) << size;
  }
}

TEST(LinearSolve, SingularButConsistentThenSolved) {
  for (const size_t size : {size_t{10}, kMaxDense + 44}) {
    std::vector<double> b(size, 0);
    b[1] = 1;
    b[5] = -1;
    const auto map = ring(0);
    EXPECT_LT(residual(map, solve_semidefinite(map, std::vector<double>(size, 2), b), b), 1e-6) << size;
  }
}

TEST(LinearSolve, NoCurvatureOfAVariableThenItStays) {
  const LinearMap map = [](const std::vector<double>& x) { return std::vector<double>{4 * x[0], 0}; };
  const auto x = solve_semidefinite(map, {4, 0}, {8, 0});
  EXPECT_NEAR(x[0], 2, 1e-9);
  EXPECT_EQ(x[1], 0);
}

}  // namespace
}  // namespace banyan::moe
