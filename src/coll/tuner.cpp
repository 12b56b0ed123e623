// SPDX-License-Identifier: Apache-2.0
#include "coll/tuner.hpp"

#include <algorithm>
#include <cmath>

namespace banyan::coll {
namespace {

constexpr double kStepsPerDoubling = 64;
constexpr double kSmallest_s = 1e-9;

/// Notes that say that much more (factor above 1) or less.
double steps(double factor) noexcept { return kStepsPerDoubling * std::log2(factor); }

/// What Tuner::note_of made a note of.
double seconds_of(uint32_t note) noexcept { return kSmallest_s * std::exp2((note - 1) / kStepsPerDoubling); }

}  // namespace

uint32_t Tuner::note_of(double seconds) noexcept {
  constexpr double kLargest = (uint32_t{1} << kNoteBits) - 1;
  return static_cast<uint32_t>(
      std::lround(std::min(1 + steps(std::max(seconds, kSmallest_s) / kSmallest_s), kLargest)));
}

Tuner::Tuner(size_t num_ways) : num_ways_(std::min(num_ways, kMostWays)), trial_(num_ways_) {
  tried_.fill(true);
  if (num_ways > 1) {
    begin_trials();
  }
}

void Tuner::begin_trials() noexcept {
  round_ = 0;
  by_round_ = {};
  spent_ = 0;
  trial_ = 0;
  begin_trial();
}

/// Of the known notes of ways in these trials, the least; 0: none is known.
uint32_t Tuner::least() const noexcept {
  uint32_t least = 0;
  for (size_t way = 0; way < num_ways_; ++way) {
    const uint32_t note = tried_[way] ? slowest_[way] : 0;
    least = least == 0 || (note != 0 && note < least) ? note : least;
  }
  return least;
}

bool Tuner::has_long_calls() const noexcept { return least() > note_of(kLongCall_s); }

bool Tuner::takes_part(size_t way) const noexcept {
  // Way 0 always does: its trial leaves time for the note of the one before, which the next depends on.
  // What is out once stays out, though what was best may have become slower.
  const bool was_out = round_ > 1 && by_round_[way][static_cast<size_t>(round_ - 2)] == 0;
  return way == 0 || (tried_[way] && !was_out && (round_ == 0 || slowest_[way] <= least() + steps(kFarBehind)));
}

void Tuner::begin_trial() noexcept {
  while (trial_ < num_ways_ && !takes_part(trial_)) {
    ++trial_;
  }
  const bool ends = round_ == kRounds || (round_ == 0 && has_long_calls());
  if (trial_ == num_ways_ && !ends) {
    ++round_;
    trial_ = 0;
  }
  calls_ = 0;
  sum_s_ = 0;
  longest_s_ = 0;
  const bool brief = round_ == 0;
  const uint32_t known = least();
  const double wanted = known == 0 ? kShortCalls : kTrial_s / seconds_of(known);
  timed_calls_ = static_cast<int>(std::clamp<double>(wanted, kFewestCalls, brief ? kShortCalls : kMostCalls));
  way_ = trial_ < num_ways_ ? trial_ : way_;
}

void Tuner::take(uint32_t now) noexcept {
  reports_ = false;
  slowest_[reported_] = now;
  if (reported_round_ > 0) {  // a longer trial says more than a short one
    auto& notes = by_round_[reported_];
    notes[static_cast<size_t>(reported_round_ - 1)] = now;
    const auto [less, more] = std::minmax(notes[0], notes[1]);
    slowest_[reported_] = reported_round_ == 1 ? now : reported_round_ == 2 ? less : std::clamp(now, less, more);
  }
}

bool Tuner::finished(double seconds, uint32_t slowest) noexcept {
  const bool last_report = reports_ && trial_ == num_ways_;
  spent_ += tries() ? 1 : 0;
  if (reports_) {
    take(slowest);
  }
  if (last_report) {
    choose();
    return true;
  }
  if (trial_ < num_ways_) {
    end_call(seconds);
  } else if (num_ways_ > 1 && --left_ == 0) {
    begin_trials();
  }
  return false;
}

/// Before the timed ones of this trial.
int Tuner::untimed_calls() const noexcept { return std::max(1, timed_calls_ / kCallsPerUntimed); }

void Tuner::end_call(double seconds) noexcept {
  if (calls_++ >= untimed_calls()) {
    sum_s_ += seconds;
    longest_s_ = std::max(longest_s_, seconds);
  }
  if (calls_ == untimed_calls() + timed_calls_) {
    reports_ = true;
    reported_ = trial_++;
    reported_round_ = round_;
    const bool drops_longest = round_ == 0 || timed_calls_ >= kManyCalls;
    note_ = note_of(drops_longest ? (sum_s_ - longest_s_) / (timed_calls_ - 1) : sum_s_ / timed_calls_);
    begin_trial();
  }
}

double Tuner::time_s(size_t way) const noexcept { return slowest_[way] == 0 ? 0 : seconds_of(slowest_[way]); }

void Tuner::choose() noexcept {
  size_t best = 0;
  const double gain = 1 / (has_long_calls() ? kFarFaster : kClearlyFaster);
  for (size_t way = 1; way < num_ways_; ++way) {
    const double needed = best == 0 ? steps(gain) : 0;
    if (tried_[way] && slowest_[way] + needed < slowest_[best]) {
      best = way;
    }
  }
  for (size_t way = 1; way < num_ways_; ++way) {
    tried_[way] = pause_ >= kLongPause || slowest_[way] <= slowest_[best] + steps(kFarBehind);
  }
  way_ = best;
  left_ = std::max(pause_, kPausePerTrial * spent_);
  pause_ = std::min(4 * pause_, kLongestPause);
}

}  // namespace banyan::coll
