// SPDX-License-Identifier: Apache-2.0
#include "moe/targets/projection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "moe/targets/interior_point.hpp"
#include "moe/targets/newton_search.hpp"

namespace banyan::moe {
namespace {

/// Steps of the quick search before the sure one goes on from where it got to. Of random trees, 1 in 100 needs more.
constexpr int kMaxQuickSteps = 30;
/// The sure one took at most 111 on 2000 random trees next to their least time.
constexpr int kMaxSteps = 400;

/// Fills in how far the point is from the solution; whether that is near enough.
bool judge(const Dual& dual, Projection& at) {
  at.error = 0;
  at.gap = 0;
  for (size_t i = 0; i < dual.size(); ++i) {
    const double load = dual.loads()[i];
    const double relative = dual.bound(i) > 0 ? load / dual.bound(i) - 1 : load;
    at.error = std::max(at.error, dual.is_limit(i) ? relative : std::abs(relative));
    at.gap += dual.variables()[i] * dual.gradient(i);
  }
  const double bound = dual.prior_sum() - dual.value();
  at.divergence = std::max(0.0, bound + at.gap);
  return at.error <= kProjectionTolerance && std::abs(at.gap) <= kProjectionTolerance;
}

/// Whether a search gets there within so many steps.
template <typename Step>
bool search(const Dual& dual, Projection& at, int max_steps, const Step& step) {
  for (int steps = 0; steps < max_steps; ++steps, ++at.steps) {
    step();
    if (judge(dual, at)) {
      at.share = dual.share();
      return true;
    }
  }
  return false;
}

}  // namespace

Projection project(const Shape& shape, const std::vector<Limit>& limits, double seconds, const PerClass& distance) {
  Dual dual(shape, limits, seconds, distance);
  Projection result;
  ascend(dual);
  const auto quick = [&dual] {
    newton_step(dual);
    ascend(dual);
  };
  if (search(dual, result, kMaxQuickSteps, quick)) {
    return result;
  }
  InteriorPoint sure(dual, kProjectionTolerance);
  if (search(dual, result, kMaxSteps, [&sure] { sure.step(); })) {
    return result;
  }
  throw Error(BANYAN_ERR_INTERNAL,
              fmt::format("the search for targets ended after {} steps with a relative error of {:.3g} and a gap of "
                          "{:.3g}; please report the topology",
                          result.steps, result.error, result.gap));
}

}  // namespace banyan::moe
