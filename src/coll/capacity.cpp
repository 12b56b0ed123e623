// SPDX-License-Identifier: Apache-2.0
#include "coll/capacity.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.hpp"

namespace banyan::coll {
namespace {

/// From here on not every number of rows is a double.
constexpr size_t kMaxRows = size_t{1} << 53;
/// Of a quota, what counts as rounding.
constexpr double kRounding = 1e-12;

void check(const CapacityTerms& terms) {
  for (size_t peer = 0; peer < terms.weights.size(); ++peer) {
    if (!(terms.weights[peer] >= 0) || std::isinf(terms.weights[peer])) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT, "weights[" + std::to_string(peer) + "] is " +
                                                   std::to_string(terms.weights[peer]) +
                                                   "; weights are 0 or positive, and finite");
    }
  }
  if (!(terms.factor > 0) || std::isinf(terms.factor)) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                "capacity_factor is " + std::to_string(terms.factor) + "; it is positive and finite");
  }
  if (terms.rows >= kMaxRows) {
    throw Error(BANYAN_ERR_LIMIT, "rows is " + std::to_string(terms.rows) + ", must be below 2^53");
  }
}

}  // namespace

std::vector<size_t> capacities_of(const CapacityTerms& terms) {
  check(terms);
  std::vector<size_t> capacities(terms.weights.size(), 0);
  if (terms.rows == 0) {
    return capacities;
  }
  const double largest = *std::max_element(terms.weights.begin(), terms.weights.end());
  if (largest == 0) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "all weights are 0, but rows is " + std::to_string(terms.rows));
  }
  double sum = 0;  // of weights by the largest, which can't overflow
  for (const double weight : terms.weights) {
    sum += weight / largest;
  }
  const auto rows = static_cast<double>(terms.rows);
  for (size_t peer = 0; peer < capacities.size(); ++peer) {
    if (terms.weights[peer] > 0) {
      const double share = terms.weights[peer] / largest / sum;
      const double quota = std::min(rows, terms.factor * rows * share);
      const double rounded = std::max(1.0, std::ceil(quota * (1 - kRounding)));
      capacities[peer] = std::min(terms.rows, std::max(terms.min_capacity, static_cast<size_t>(rounded)));
    }
  }
  return capacities;
}

}  // namespace banyan::coll
