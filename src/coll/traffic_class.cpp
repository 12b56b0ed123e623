// SPDX-License-Identifier: Apache-2.0
#include "coll/traffic_class.hpp"

#include <bit>
#include <cstdlib>

namespace banyan::coll {

uint32_t TrafficClass::width_of(size_t bytes) noexcept { return static_cast<uint32_t>(std::bit_width(bytes)); }

void TrafficClass::observe(int width) noexcept {
  // Something and nothing differ, however little it is.
  const bool inside = std::abs(width - width_) <= kSlack && (width == 0) == (width_ == 0);
  calls_outside_ = inside ? 0 : calls_outside_ + 1;
  if (calls_outside_ == kCallsToChange) {
    width_ = width;
    calls_outside_ = 0;
  }
}

}  // namespace banyan::coll
