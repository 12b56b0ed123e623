// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include "moe/targets/share.hpp"

namespace banyan::moe {

/// The dual of an I-projection (projection.hpp): one variable for each row, column and limit of a class. One thread.
class Dual {
 public:
  using Vector = std::vector<double>;  ///< rows, columns, limits

  Dual(const Shape& shape, const std::vector<Limit>& limits, double seconds, const PerClass& distance);

  [[nodiscard]] size_t size() const noexcept { return bound_.size(); }
  [[nodiscard]] bool is_limit(size_t i) const noexcept { return i >= 2 * shape_.classes().size(); }
  /// Limits of a family, or (-2 rows, -1 columns), which a turn of coordinate ascent does at once.
  [[nodiscard]] int family(size_t i) const noexcept { return family_[i]; }
  /// Ranks or links that the variable stands for.
  [[nodiscard]] double copies(size_t i) const noexcept { return copies_[i]; }
  /// What the constraint's load must equal, or not exceed.
  [[nodiscard]] double bound(size_t i) const noexcept { return bound_[i]; }

  /// The constraint's load by the prior.
  [[nodiscard]] double even_load(size_t i) const noexcept { return even_loads_[i]; }

  /// Makes `variables` the point at which the rest is asked for.
  void move_to(const Vector& variables);
  [[nodiscard]] const Vector& variables() const noexcept { return variables_; }
  [[nodiscard]] const Share& share() const noexcept { return share_; }
  [[nodiscard]] const Vector& loads() const noexcept { return loads_; }
  /// The negated dual but for a constant: sum of x + sum of variable * bound. To be minimised.
  [[nodiscard]] double value() const noexcept { return value_; }
  [[nodiscard]] double gradient(size_t i) const noexcept { return copies_[i] * (bound_[i] - loads_[i]); }
  /// The Hessian there, times a direction, in time O(classes).
  [[nodiscard]] Vector curvature(const Vector& direction) const;
  [[nodiscard]] double diagonal(size_t i) const noexcept { return copies_[i] * loads_[i]; }
  /// Sum of u, the prior.
  [[nodiscard]] double prior_sum() const noexcept { return prior_sum_; }

 private:
  struct Exponents {
    PerClass out, in;
  };
  [[nodiscard]] Exponents exponents(const Vector& variables) const;
  [[nodiscard]] Vector gather(const Flows& flows) const;

  const Shape& shape_;
  std::vector<Limit> limits_;  ///< those that any pair uses
  Share prior_;
  double prior_sum_ = 0;
  std::vector<int> family_;
  Vector copies_, bound_, even_loads_, variables_, loads_;
  Share share_;
  Flows flows_;
  double value_ = 0;
};

}  // namespace banyan::moe
