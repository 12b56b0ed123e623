// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>

namespace banyan {

/// A point on the monotonic clock by which a wait must end. A value; any thread.
class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  /// `seconds` from now; at most 1e9, and now for negative values and NaN.
  static Deadline in(double seconds) {
    const std::chrono::duration<double> span(seconds > 0 ? std::min(seconds, 1e9) : 0.0);
    return Deadline(Clock::now() + std::chrono::duration_cast<Clock::duration>(span));
  }

  [[nodiscard]] bool passed() const noexcept { return Clock::now() >= when_; }
  /// Seconds left, 0 when passed.
  [[nodiscard]] double remaining_s() const noexcept {
    return std::max(0.0, std::chrono::duration<double>(when_ - Clock::now()).count());
  }
  /// Milliseconds left, rounded up, for poll().
  [[nodiscard]] int remaining_ms() const noexcept { return static_cast<int>(std::min(remaining_s() * 1e3 + 1, 1e9)); }

 private:
  explicit Deadline(Clock::time_point when) : when_(when) {}
  Clock::time_point when_;
};

}  // namespace banyan
