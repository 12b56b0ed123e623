// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

namespace banyan::moe {

using LinearMap = std::function<std::vector<double>(const std::vector<double>&)>;

/// Solves A x = b for a symmetric positive semidefinite A of this diagonal, b in its range but for rounding: scaled to
/// a unit diagonal, then by Cholesky's factors with 1e-12 added to the diagonal, or, above kMaxDense unknowns, by
/// conjugate gradients until the residual is 1e-9 of b or 400 products are made. Entries of diagonal 0 are 0 in x.
[[nodiscard]] std::vector<double> solve_semidefinite(const LinearMap& product, const std::vector<double>& diagonal,
                                                     const std::vector<double>& b);

inline constexpr size_t kMaxDense = 256;

}  // namespace banyan::moe
