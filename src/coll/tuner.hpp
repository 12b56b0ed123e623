// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace banyan::coll {

/// Finds the fastest of several ways to make an exchange that is repeated, by trying them. All ranks decide alike, and
/// no message is spent on it: a call now and then carries a note from every rank to every rank, which says how long the
/// rank's last trial took. A value; one per kind of call.
///
/// Way 0 is the model's choice. A trial is a few calls of one way in a row; its time is the mean of all but the first
/// (or the first few), and of many calls also without the longest, which may be an accident, at the slowest rank (a
/// rank that is late finds others' data there and has a short call, so the shortest means nothing). First each way has
/// a short trial. Those that are far behind in it are out; the others have three longer ones, not in a row, whose
/// median counts: neither an accident nor luck in one of them decides. Then the fastest is used (another than way 0
/// only if it is clearly faster, since a caller who computes between start and wait hides what a way takes) until the
/// next trials. Of long calls, where mostly the wires decide and trials of slow ways cost most, the short trials are
/// all, and only what is far faster takes way 0's place. Trials come ever more seldom, and never take more than a small
/// part of the calls; the first of them leave out what was far behind. So a wrong prediction costs a few calls, and a
/// change is noticed.
class Tuner {
 public:
  static constexpr size_t kMostWays = 8;
  /// From one to kMostWays ways.
  explicit Tuner(size_t num_ways);

  /// The way of the next call.
  [[nodiscard]] size_t way() const noexcept { return way_; }
  /// Whether that is a trial, or carries the last trial's note.
  [[nodiscard]] bool tries() const noexcept { return trial_ < num_ways_ || reports_; }
  /// Whether the next call must carry notes, and this rank's; 0: none.
  [[nodiscard]] bool carries_note() const noexcept { return reports_; }
  [[nodiscard]] uint32_t note() const noexcept { return reports_ ? note_ : 0; }

  /// A call is over. `slowest`: the largest note of all ranks, if it carried them. Returns whether trials are over and
  /// a way was chosen.
  bool finished(double seconds, uint32_t slowest) noexcept;
  /// Seconds of a way's trials so far, at the slowest rank; 0: none.
  [[nodiscard]] double time_s(size_t way) const noexcept;

  static constexpr int kRounds = 3;             ///< of trials, after the short ones; their median counts
  static constexpr double kTrial_s = 6e-3;      ///< how long a trial shall be, within
  static constexpr int kFewestCalls = 2;        ///< timed calls
  static constexpr int kMostCalls = 64;         ///< in the short ones kShortCalls
  static constexpr int kCallsPerUntimed = 8;    ///< so many timed calls have one before them that is not; at least one
  static constexpr int kShortCalls = 5;         ///< and as long as no time is known
  static constexpr int kManyCalls = 5;          ///< from so many on, and in the short ones, the longest does not count
  static constexpr uint64_t kFirstPause = 128;  ///< calls between trials; then four times as many, up to
  static constexpr uint64_t kLongestPause = 16384;
  static constexpr uint64_t kPausePerTrial = 8;  ///< and at least so many for each call of the trials before
  static constexpr double kClearlyFaster = 0.97;
  static constexpr double kLongCall_s = 10e-3;
  static constexpr double kFarFaster = 0.85;    ///< of such calls
  static constexpr double kFarBehind = 1.5;     ///< not tried again before a long pause,
  static constexpr uint64_t kLongPause = 2048;  ///< in which that costs little

  /// Times as notes: steps of about 1 %, from a nanosecond to years, in 12 bits; more time is never a smaller note.
  [[nodiscard]] static uint32_t note_of(double seconds) noexcept;
  static constexpr unsigned kNoteBits = 12;

 private:
  void begin_trials() noexcept;
  void begin_trial() noexcept;
  void end_call(double seconds) noexcept;
  void take(uint32_t slowest) noexcept;
  void choose() noexcept;
  [[nodiscard]] bool takes_part(size_t way) const noexcept;
  [[nodiscard]] uint32_t least() const noexcept;
  [[nodiscard]] bool has_long_calls() const noexcept;
  [[nodiscard]] int untimed_calls() const noexcept;

  size_t num_ways_;
  std::array<uint32_t, kMostWays> slowest_{};  ///< by way: note of its trials at the slowest rank; 0: none yet
  std::array<std::array<uint32_t, kRounds>, kMostWays> by_round_{};  ///< of these trials; that is their median
  std::array<bool, kMostWays> tried_{};                              ///< by way: whether it takes part in these trials
  size_t way_ = 0;
  size_t trial_ = 0;     ///< the way that is tried; number of ways: none
  size_t reported_ = 0;  ///< the way whose trial the notes of the next call are about
  int reported_round_ = 0;
  bool reports_ = false;
  uint32_t note_ = 0;
  int round_ = 0;  ///< of trials; 0: short ones
  int timed_calls_ = 0;
  int calls_ = 0;         ///< of this trial
  double sum_s_ = 0;      ///< of its timed calls
  double longest_s_ = 0;  ///< of them
  uint64_t pause_ = kFirstPause;
  uint64_t spent_ = 0;  ///< calls, on these trials
  uint64_t left_ = 0;   ///< calls until the next trials
};

}  // namespace banyan::coll
