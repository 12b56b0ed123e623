// SPDX-License-Identifier: Apache-2.0
#include "coll/tuner.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace banyan::coll {
namespace {

constexpr double kStepsPerDoubling = 64;
constexpr double kSmallest_s = 1e-9;

/// Notes that say that much more (factor above 1) or less.
double steps(double factor) noexcept { return kStepsPerDoubling * std::log2(factor); }

/// What Tuner::note_of made a note of; 0 of none.
double seconds_of(uint32_t note) noexcept {
  return note == 0 ? 0 : kSmallest_s * std::exp2((note - 1) / kStepsPerDoubling);
}

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
  spent_ = repeats_ == 0 ? 0 : spent_;
  in_use_ = repeats_ == 0 ? way_ : 0;
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

/// Of the rounds of longer trials that are known of this way, how many it won against way 0, or did not.
int Tuner::count_rounds(size_t way, bool won) const noexcept {
  const double clearly = way == in_use_ ? 0 : steps(1 / kClearlyFaster);
  int count = 0;
  for (size_t round = 0; round < kRounds; ++round) {
    const uint32_t note = by_round_[way][round];
    const bool wins = note + clearly < by_round_[0][round];
    count += note != 0 && wins == won ? 1 : 0;
  }
  return count;
}

bool Tuner::takes_part(size_t way) const noexcept {
  // Way 0 always does: its trial leaves time for the note of the one before, which the next depends on.
  if (way == 0 || !tried_[way]) {
    return way == 0;
  }
  if (round_ < 2) {
    return round_ == 0 || slowest_[way] <= least() + steps(kHopeless);
  }
  const bool was_in = by_round_[way][static_cast<size_t>(round_ - 2)] != 0;
  return was_in && count_rounds(way, false) <= kRounds - wins_needed(way);
}

bool Tuner::is_another_left() const noexcept {
  for (size_t way = 1; way < num_ways_; ++way) {
    if (takes_part(way)) {
      return true;
    }
  }
  return false;
}

void Tuner::begin_trial() noexcept {
  while (trial_ < num_ways_ && !takes_part(trial_)) {
    ++trial_;
  }
  const bool ends = round_ == kRounds || (round_ == 0 ? has_long_calls() : !is_another_left());
  if (trial_ == num_ways_ && !ends) {
    ++round_;
    trial_ = 0;
  }
  const bool brief = round_ == 0;
  const uint32_t of_way = trial_ < num_ways_ ? slowest_[trial_] : 0;
  const uint32_t known = brief || of_way == 0 ? least() : of_way;
  const double wanted = known == 0 ? kShortCalls : kTrial_s / seconds_of(known);
  const auto timed = static_cast<int>(std::clamp<double>(wanted, kFewestCalls, brief ? kShortCalls : kMostCalls));
  time_calls(brief && timed == kShortCalls ? kUntimedAtFirst : std::max(1, timed / kCallsPerUntimed), timed);
  way_ = trial_ < num_ways_ ? trial_ : way_;
}

/// From the next call on.
void Tuner::time_calls(int untimed, int timed) noexcept {
  untimed_calls_ = untimed;
  timed_calls_ = timed;
  calls_ = 0;
  sum_s_ = 0;
  longest_s_.fill(0);
}

void Tuner::take(uint32_t now) noexcept {
  reports_ = false;
  slowest_[reported_] = now;
  if (reported_round_ > 0) {  // a longer trial says more than a short one
    by_round_[reported_][static_cast<size_t>(reported_round_ - 1)] = now;
    auto notes = by_round_[reported_];
    const auto middle = notes.begin() + (reported_round_ - 1) / 2;  // of an even number the lower one
    std::nth_element(notes.begin(), middle, notes.begin() + reported_round_);
    slowest_[reported_] = *middle;
  }
}

bool Tuner::finished(double seconds, uint32_t slowest) noexcept {
  if (num_ways_ == 1) {
    return false;
  }
  const bool in_trials = trial_ < num_ways_;
  const bool reported = reports_;
  spent_ += tries() ? 1 : 0;
  if (reported && checks_) {
    take_check(slowest);
    return false;
  }
  if (reported) {
    take(slowest);
  }
  if (in_trials) {
    if (end_call(seconds)) {
      end_trial();
    }
  } else if (reported) {
    choose();
    return true;
  } else if (--left_ == 0) {
    begin_trials();
  } else if (end_call(seconds)) {
    end_check();
  }
  return false;
}

/// Whether it was the last of a trial or check.
bool Tuner::end_call(double seconds) noexcept {
  if (calls_++ >= untimed_calls_) {
    sum_s_ += seconds;
    double shorter = seconds;
    for (double& longest : longest_s_) {
      const double longer = std::max(longest, shorter);
      shorter = std::min(longest, shorter);
      longest = longer;
    }
  }
  return calls_ == untimed_calls_ + timed_calls_;
}

double Tuner::mean_of_calls(bool drops_accidents) const noexcept {
  if (!drops_accidents) {
    return sum_s_ / timed_calls_;
  }
  const auto suspects = longest_s_.begin() + std::max(1, timed_calls_ / kCallsPerAccident);
  const auto num_others = timed_calls_ - (suspects - longest_s_.begin());
  const double others_s = sum_s_ - std::accumulate(longest_s_.begin(), suspects, 0.0);
  const double limit_s = kAccident * others_s / static_cast<double>(num_others);
  const auto counted = std::find_if(longest_s_.begin(), suspects, [=](double call_s) { return call_s <= limit_s; });
  return (others_s + std::accumulate(counted, suspects, 0.0)) / static_cast<double>(num_others + (suspects - counted));
}

void Tuner::end_trial() noexcept {
  note_ = note_of(mean_of_calls(round_ == 0 || timed_calls_ >= kManyCalls));
  reports_ = true;
  reported_ = trial_++;
  reported_round_ = round_;
  begin_trial();
}

void Tuner::end_check() noexcept {
  note_ = note_of(mean_of_calls(true));
  reports_ = checks_ = !has_long_calls();
  repeats_ = checks_ ? repeats_ : 0;
}

void Tuner::take_check(uint32_t slowest) noexcept {
  reports_ = checks_ = false;
  const auto [less, more] = std::minmax(slowest, slowest_[way_]);
  const bool agrees = less + steps(kFarOff) >= more;
  repeats_ = agrees || repeats_ == kMostRepeats ? 0 : repeats_ + 1;
  if (repeats_ > 0) {
    tried_.fill(true);
    begin_trials();
  }
}

double Tuner::time_s(size_t way) const noexcept { return seconds_of(slowest_[way]); }

double Tuner::time_in_round_s(size_t way, int round) const noexcept {
  return seconds_of(by_round_[way][static_cast<size_t>(round - 1)]);
}

/// Whether these trials let this way take way 0's place.
bool Tuner::beats_first(size_t way) const noexcept {
  const bool had_rounds = by_round_[0][0] != 0;
  return tried_[way] && (had_rounds ? count_rounds(way, true) >= wins_needed(way)
                                    : slowest_[way] + steps(1 / kFarFaster) < slowest_[0]);
}

void Tuner::choose() noexcept {
  size_t best = 0;
  for (size_t way = 1; way < num_ways_; ++way) {
    if (beats_first(way) && slowest_[way] < slowest_[best]) {
      best = way;
    }
  }
  for (size_t way = 1; way < num_ways_; ++way) {
    tried_[way] = pause_ >= kLongPause || slowest_[way] <= slowest_[best] + steps(kFarBehind);
  }
  way_ = best;
  left_ = std::max(pause_, kPausePerTrial * spent_);
  pause_ = repeats_ == 0 ? std::min(4 * pause_, kLongestPause) : pause_;
  time_calls(1, kCheckCalls);
}

}  // namespace banyan::coll
