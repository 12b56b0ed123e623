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
/// ones, and of many calls also without those that look like accidents, at the slowest rank (a rank that is late
/// finds others' data there and has a short call, so the shortest means nothing, and the longest are no accidents
/// as long as they are but a few times the others). First each way has a short trial. Those that are hopeless in it
/// are out; the others have up to five rounds of longer ones, each held against way 0's of the same round, since
/// times that are measured together share what disturbs them (what is only far behind stays in: the first calls of
/// a way may be slow, or fast where buffers of the network take what wires will not). Who is clearly faster than
/// way 0 in at least four of the rounds may take its place (clearly, since a caller who computes between start and
/// wait hides what a way takes; the way in use must only be faster, in three), and who no longer can is tried no
/// further: neither accidents nor luck in one round decide. The fastest of these is used until the next trials. Of
/// long calls, where mostly the wires decide and trials of slow ways cost most, the short trials are all, and only
/// what is far faster takes way 0's place. The first calls after trials check them: if they take far more or less
/// than the trials said, something disturbed those, and they are made again. Trials come ever more seldom, and
/// never take more than a small part of the calls; the first of them leave out what was far behind. So a wrong
/// prediction costs a few calls, and a change is noticed.
class Tuner {
 public:
  static constexpr size_t kMostWays = 8;
  /// From one to kMostWays ways.
  explicit Tuner(size_t num_ways);

  /// The way of the next call.
  [[nodiscard]] size_t way() const noexcept { return way_; }
  /// Whether that is a trial, or carries a note of one or of a check.
  [[nodiscard]] bool tries() const noexcept { return trial_ < num_ways_ || reports_; }
  /// Whether the next call must carry notes, and this rank's; 0: none.
  [[nodiscard]] bool carries_note() const noexcept { return reports_; }
  [[nodiscard]] uint32_t note() const noexcept { return reports_ ? note_ : 0; }

  /// A call is over. `slowest`: the largest note of all ranks, if it carried them. Returns whether trials are over and
  /// a way was chosen.
  bool finished(double seconds, uint32_t slowest) noexcept;
  /// Seconds of a way's trials so far, in the median and at the slowest rank; 0: none.
  [[nodiscard]] double time_s(size_t way) const noexcept;
  /// Of its trial in that round, from 1 on; 0: none.
  [[nodiscard]] double time_in_round_s(size_t way, int round) const noexcept;

  static constexpr int kRounds = 5;             ///< of trials, after the short ones
  static constexpr int kWins = 4;               ///< so many of them a way must win against way 0,
  static constexpr int kWinsInUse = 3;          ///< and the way that is in use
  static constexpr double kTrial_s = 15e-3;     ///< how long a trial shall be by what is known of its way, within
  static constexpr int kFewestCalls = 2;        ///< timed calls
  static constexpr int kMostCalls = 64;         ///< in the short ones kShortCalls
  static constexpr int kCallsPerUntimed = 8;    ///< so many timed calls have one before them that is not; at least one
  static constexpr int kShortCalls = 5;         ///< and as long as no time is known
  static constexpr int kUntimedAtFirst = 3;     ///< in the short ones of short calls: what a first use takes
  static constexpr int kManyCalls = 5;          ///< from so many on, and in the short ones, accidents do not count:
  static constexpr int kCallsPerAccident = 8;   ///< the longest of so many, and one at least, if they took
  static constexpr double kAccident = 4;        ///< so many times as long as the others
  static constexpr int kCheckCalls = 16;        ///< timed after trials, of calls that are not long
  static constexpr double kFarOff = 1.5;        ///< what these took from what the trials said, or the reverse
  static constexpr int kMostRepeats = 3;        ///< of trials, in a row
  static constexpr uint64_t kFirstPause = 128;  ///< calls between trials; then four times as many, up to
  static constexpr uint64_t kLongestPause = 16384;
  static constexpr uint64_t kPausePerTrial = 8;  ///< and at least so many for each call of the trials before
  static constexpr double kClearlyFaster = 0.97;
  static constexpr double kLongCall_s = 10e-3;
  static constexpr double kFarFaster = 0.85;    ///< of such calls
  static constexpr double kHopeless = 3;        ///< in the short trials: tried no further
  static constexpr double kFarBehind = 1.5;     ///< in the end: not tried before a long pause,
  static constexpr uint64_t kLongPause = 2048;  ///< in which that costs little

  /// Times as notes: steps of about 1 %, from a nanosecond to years, in 12 bits; more time is never a smaller note.
  [[nodiscard]] static uint32_t note_of(double seconds) noexcept;
  static constexpr unsigned kNoteBits = 12;

 private:
  void begin_trials() noexcept;
  void begin_trial() noexcept;
  void time_calls(int untimed, int timed) noexcept;
  bool end_call(double seconds) noexcept;
  void end_trial() noexcept;
  void end_check() noexcept;
  void take(uint32_t slowest) noexcept;
  void take_check(uint32_t slowest) noexcept;
  void choose() noexcept;
  [[nodiscard]] bool takes_part(size_t way) const noexcept;
  [[nodiscard]] bool is_another_left() const noexcept;
  [[nodiscard]] bool beats_first(size_t way) const noexcept;
  [[nodiscard]] int count_rounds(size_t way, bool won) const noexcept;
  [[nodiscard]] int wins_needed(size_t way) const noexcept { return way == in_use_ ? kWinsInUse : kWins; }
  [[nodiscard]] double mean_of_calls(bool drops_accidents) const noexcept;
  [[nodiscard]] uint32_t least() const noexcept;
  [[nodiscard]] bool has_long_calls() const noexcept;

  size_t num_ways_;
  std::array<uint32_t, kMostWays> slowest_{};  ///< by way: note of its trials at the slowest rank; 0: none yet
  std::array<std::array<uint32_t, kRounds>, kMostWays> by_round_{};  ///< of these trials; that is their median; 0: none
  std::array<bool, kMostWays> tried_{};                              ///< by way: whether it takes part in these trials
  size_t way_ = 0;
  size_t in_use_ = 0;    ///< before these trials, if no check spoke against it
  size_t trial_ = 0;     ///< the way that is tried; number of ways: none
  size_t reported_ = 0;  ///< the way whose trial the notes of the next call are about
  int reported_round_ = 0;
  bool reports_ = false;
  uint32_t note_ = 0;
  bool checks_ = false;  ///< the note is a check's
  int repeats_ = 0;      ///< of trials, since the last check that agreed with them
  int round_ = 0;        ///< of trials; 0: short ones
  int untimed_calls_ = 0;
  int timed_calls_ = 0;
  int calls_ = 0;                                                   ///< of this trial or check
  double sum_s_ = 0;                                                ///< of its timed calls
  std::array<double, kMostCalls / kCallsPerAccident> longest_s_{};  ///< of them, in falling order
  uint64_t pause_ = kFirstPause;
  uint64_t spent_ = 0;  ///< calls, on these trials and those that they repeat
  uint64_t left_ = 0;   ///< calls until the next trials
};

}  // namespace banyan::coll
