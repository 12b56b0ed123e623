// SPDX-License-Identifier: Apache-2.0
#include "moe/targets/linear_solve.hpp"

#include <cmath>
#include <numeric>

namespace banyan::moe {
namespace {

using Vector = std::vector<double>;

constexpr double kRidge = 1e-12;
constexpr double kEnough = 1e-9;
constexpr int kMaxProducts = 400;

double dot(const Vector& a, const Vector& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }

/// In place of the lower triangle of `a`, [n, n] row-major: its factor. A pivot that rounding has eaten stands for a
/// direction without curvature, in which b is 0 too; a huge one keeps x there at 0.
void factorise(Vector& a, size_t n) {
  for (size_t j = 0; j < n; ++j) {
    double pivot = a[j * n + j];
    for (size_t k = 0; k < j; ++k) {
      pivot -= a[j * n + k] * a[j * n + k];
    }
    const double root = pivot > kRidge / 2 ? std::sqrt(pivot) : 1e12;
    a[j * n + j] = root;
    for (size_t i = j + 1; i < n; ++i) {
      double sum = a[i * n + j];
      for (size_t k = 0; k < j; ++k) {
        sum -= a[i * n + k] * a[j * n + k];
      }
      a[i * n + j] = sum / root;
    }
  }
}

Vector solve_dense(const LinearMap& product, const Vector& b) {
  const size_t n = b.size();
  Vector a(n * n);
  Vector unit(n, 0);
  for (size_t j = 0; j < n; ++j) {
    unit[j] = 1;
    const Vector column = product(unit);
    unit[j] = 0;
    for (size_t i = 0; i < n; ++i) {
      a[i * n + j] = column[i] + (i == j ? kRidge : 0);
    }
  }
  factorise(a, n);
  Vector x = b;
  for (size_t i = 0; i < n; ++i) {
    for (size_t k = 0; k < i; ++k) {
      x[i] -= a[i * n + k] * x[k];
    }
    x[i] /= a[i * n + i];
  }
  for (size_t i = n; i-- > 0;) {
    for (size_t k = i + 1; k < n; ++k) {
      x[i] -= a[k * n + i] * x[k];
    }
    x[i] /= a[i * n + i];
  }
  return x;
}

Vector conjugate_gradients(const LinearMap& product, const Vector& b) {
  Vector x(b.size(), 0);
  Vector residual = b;
  Vector direction = b;
  double square = dot(b, b);
  const double enough = square * kEnough * kEnough;
  for (int step = 0; step < kMaxProducts && square > enough; ++step) {
    const Vector image = product(direction);
    const double curvature = dot(direction, image);
    if (!(curvature > 0)) {
      break;
    }
    const double length = square / curvature;
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] += length * direction[i];
      residual[i] -= length * image[i];
    }
    const double next = dot(residual, residual);
    for (size_t i = 0; i < x.size(); ++i) {
      direction[i] = residual[i] + next / square * direction[i];
    }
    square = next;
  }
  return x;
}

}  // namespace

Vector solve_semidefinite(const LinearMap& product, const Vector& diagonal, const Vector& b) {
  Vector scale(b.size());
  Vector scaled_b(b.size());
  for (size_t i = 0; i < b.size(); ++i) {
    scale[i] = diagonal[i] > 0 ? 1 / std::sqrt(diagonal[i]) : 0;
    scaled_b[i] = scale[i] * b[i];
  }
  const LinearMap scaled = [&](const Vector& x) {
    Vector given(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      given[i] = scale[i] * x[i];
    }
    Vector image = product(given);
    for (size_t i = 0; i < x.size(); ++i) {
      image[i] *= scale[i];
    }
    return image;
  };
  Vector x = b.size() <= kMaxDense ? solve_dense(scaled, scaled_b) : conjugate_gradients(scaled, scaled_b);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] *= scale[i];
  }
  return x;
}

}  // namespace banyan::moe
