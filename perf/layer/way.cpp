// SPDX-License-Identifier: Apache-2.0
#include "layer/way.hpp"

#include <algorithm>
#include <chrono>

namespace banyan::perf {
namespace {

using Clock = std::chrono::steady_clock;

double seconds(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

}  // namespace

StepTime time_step(Way& way) {
  const auto begin = Clock::now();
  way.route();
  const auto routed = Clock::now();
  way.dispatch();
  const auto dispatched = Clock::now();
  way.combine();
  return {seconds(begin, routed), seconds(routed, dispatched), seconds(dispatched, Clock::now())};
}

void whole_step(Way& way) {
  auto& combined = way.combined();
  std::fill(combined.begin(), combined.end(), std::byte{0xFF});  // a NaN in each dtype
  way.route();
  way.dispatch();
  way.compute();
  way.combine();
}

}  // namespace banyan::perf
