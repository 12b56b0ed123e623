// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

namespace banyan::profiler {

/// What speaks for (above 0) and against (below 0) two items being in one cluster; symmetric, [count, count] row-major.
class Evidence {
 public:
  explicit Evidence(int count) : count_(count), values_(at(count) * at(count)) {}
  [[nodiscard]] int count() const noexcept { return count_; }
  [[nodiscard]] double get(int a, int b) const { return values_[at(a) * at(count_) + at(b)]; }
  void set(int a, int b, double value) {
    values_[at(a) * at(count_) + at(b)] = value;
    values_[at(b) * at(count_) + at(a)] = value;
  }

 private:
  static size_t at(int index) { return static_cast<size_t>(index); }
  int count_;
  std::vector<double> values_;
};

/// Clusters of 0 to count - 1, each ascending, in order of their least item.
using Clusters = std::vector<std::vector<int>>;

/// Clusters that about maximise the sum of evidence inside them: of several starts, each a pass of pivots (Ailon,
/// Charikar, Newman, "Aggregating inconsistent information", 2008) improved by moving single items and joining
/// clusters, the best. Deterministic; O(count^2) per pass.
[[nodiscard]] Clusters cluster(const Evidence& evidence);

}  // namespace banyan::profiler
