// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace banyan::coll {

/// Of how many bytes the calls of a series are, in powers of two, as all ranks agree on it: some calls tell each rank
/// the bit width of what the busiest rank had. A class changes only when a few of them in a row were of another size,
/// so neither a single odd call nor sizes around a power of two make it flap. A value.
class TrafficClass {
 public:
  /// 0: nothing; w: the busiest rank has about 2^(w-1) bytes.
  [[nodiscard]] int width() const noexcept { return width_; }
  /// Whether the last call that was observed was of another size: the next ones should be observed too.
  [[nodiscard]] bool in_doubt() const noexcept { return calls_outside_ > 0; }
  /// A call is over, of that width at the busiest rank.
  void observe(int width) noexcept;

  static constexpr int kSlack = 1;          ///< widths that far away are still of the class
  static constexpr int kCallsToChange = 3;  ///< in a row
  /// As a note: fits in so many bits.
  static constexpr unsigned kWidthBits = 7;
  [[nodiscard]] static uint32_t width_of(size_t bytes) noexcept;

 private:
  int width_ = 0;
  int calls_outside_ = 0;
};

}  // namespace banyan::coll
