// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace banyan::coll {

/// Finds the fastest of several ways to make an exchange that is repeated, by trying them. All ranks decide alike, and
/// no message is spent on it: a call now and then carries a note of 32 bits from every rank to every rank, which says
/// how long the rank's last trial took. A value; one per communicator and kind of call.
///
/// Way 0 is the model's choice. A trial is a few calls of one way in a row; its time is the mean of all but the first,
/// at the slowest rank (a rank that is late finds others' data there and has a short call, so the shortest means
/// nothing). Each way is tried twice, not in a row, and the shorter time counts. When all have been tried, the fastest
/// is used (another than way 0 only if it is clearly faster, since a caller who computes between start and wait hides
/// what a way takes) until the next trials, which come ever more seldom; the first of them leave out what was far
/// behind. So a wrong prediction costs a few calls, and a change of traffic is noticed.
class Tuner {
 public:
  explicit Tuner(size_t num_ways);

  /// The way of the next call.
  [[nodiscard]] size_t way() const noexcept { return way_; }
  /// Whether the next call carries notes, and this rank's.
  [[nodiscard]] bool carries_note() const noexcept { return reports_; }
  [[nodiscard]] uint32_t note() const noexcept { return note_; }

  /// A call is over. `notes`: those of all ranks, if it carried them. Returns whether a way was chosen, after trials.
  bool finished(double seconds, std::span<const uint32_t> notes) noexcept;
  /// Seconds of a way's better trial, at the slowest rank; 0: none.
  [[nodiscard]] double time_s(size_t way) const noexcept;

  static constexpr int kTrialCalls = 6;  ///< the first is not timed
  static constexpr int kRounds = 2;
  static constexpr uint64_t kFirstPause = 128;  ///< calls between trials; then four times as many, up to
  static constexpr uint64_t kLongestPause = 16384;
  static constexpr double kClearlyFaster = 0.95;
  static constexpr double kFarBehind = 1.5;     ///< not tried again before a long pause,
  static constexpr uint64_t kLongPause = 2048;  ///< in which that costs little

  /// Times as notes: steps of about 1 %, from a nanosecond to years; more time is never a smaller note.
  [[nodiscard]] static uint32_t note_of(double seconds) noexcept;

 private:
  void begin_trials() noexcept;
  void begin_trial() noexcept;
  void take(std::span<const uint32_t> notes) noexcept;
  void choose() noexcept;

  std::vector<uint32_t> slowest_;  ///< by way: note of its better trial at the slowest rank; 0: none yet
  std::vector<bool> tried_;        ///< by way: whether it takes part in trials
  size_t way_ = 0;
  size_t trial_ = 0;     ///< the way that is tried; number of ways: none
  size_t reported_ = 0;  ///< the way whose trial the notes of the next call are about
  bool reports_ = false;
  uint32_t note_ = 0;
  int round_ = 0;     ///< of trials
  int calls_ = 0;     ///< of this trial
  double sum_s_ = 0;  ///< of its timed calls
  uint64_t pause_ = kFirstPause;
  uint64_t left_ = 0;  ///< calls until the next trials
};

}  // namespace banyan::coll
