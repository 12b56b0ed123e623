// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>

namespace banyan {

/// A point on the monotonic clock by which a wait must end. A value; any thread.
class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  /// `seconds` from `now`; at most 1e9, and `now` for negative values and NaN.
  static Deadline in(double seconds, Clock::time_point now = Clock::now()) {
    const double total_s = seconds > 0 ? std::min(seconds, 1e9) : 0.0;
    const std::chrono::duration<double> span(total_s);
    return {now + std::chrono::duration_cast<Clock::duration>(span), total_s};
  }

  [[nodiscard]] bool passed(Clock::time_point now = Clock::now()) const noexcept { return now >= when_; }
  /// Seconds that it was made with: what to name in the text of a timeout.
  [[nodiscard]] double total_s() const noexcept { return total_s_; }
  /// Seconds left, 0 when passed.
  [[nodiscard]] double remaining_s() const noexcept {
    return std::max(0.0, std::chrono::duration<double>(when_ - Clock::now()).count());
  }
  /// Milliseconds left, rounded up, for poll().
  [[nodiscard]] int remaining_ms() const noexcept { return static_cast<int>(std::min(remaining_s() * 1e3 + 1, 1e9)); }

 private:
  Deadline(Clock::time_point when, double total_s) : when_(when), total_s_(total_s) {}
  Clock::time_point when_;
  double total_s_;
};

}  // namespace banyan
