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

}  // namespace

uint32_t Tuner::note_of(double seconds) noexcept {
  return 1 + static_cast<uint32_t>(std::lround(steps(std::max(seconds, kSmallest_s) / kSmallest_s)));
}

Tuner::Tuner(size_t num_ways) : slowest_(num_ways), tried_(num_ways, true), trial_(num_ways) {
  if (num_ways > 1) {
    begin_trials();
  }
}

void Tuner::begin_trials() noexcept {
  for (size_t way = 0; way < slowest_.size(); ++way) {
    slowest_[way] = tried_[way] ? 0 : slowest_[way];
  }
  round_ = 0;
  trial_ = 0;
  begin_trial();
}

void Tuner::begin_trial() noexcept {
  while (trial_ < slowest_.size() && !tried_[trial_]) {
    ++trial_;
  }
  if (trial_ == slowest_.size() && ++round_ < kRounds) {
    trial_ = 0;  // which always is tried
  }
  calls_ = 0;
  sum_s_ = 0;
  way_ = trial_ < slowest_.size() ? trial_ : way_;
}

void Tuner::take(std::span<const uint32_t> notes) noexcept {
  uint32_t& slowest = slowest_[reported_];
  const uint32_t now = notes.empty() ? 0 : *std::max_element(notes.begin(), notes.end());
  slowest = slowest == 0 ? now : std::min(slowest, now);
  reports_ = false;
}

bool Tuner::finished(double seconds, std::span<const uint32_t> notes) noexcept {
  const bool last_report = reports_ && trial_ == slowest_.size();
  if (reports_) {
    take(notes);
  }
  if (last_report) {
    choose();
    return true;
  }
  if (trial_ < slowest_.size()) {
    sum_s_ += calls_ > 0 ? seconds : 0;
    if (++calls_ == kTrialCalls) {
      reports_ = true;
      reported_ = trial_++;
      note_ = note_of(sum_s_ / (kTrialCalls - 1));
      begin_trial();
    }
  } else if (slowest_.size() > 1 && --left_ == 0) {
    begin_trials();
  }
  return false;
}

double Tuner::time_s(size_t way) const noexcept {
  return slowest_[way] == 0 ? 0 : kSmallest_s * std::exp2((slowest_[way] - 1) / kStepsPerDoubling);
}

void Tuner::choose() noexcept {
  const auto known = [&](size_t way) { return tried_[way] && slowest_[way] > 0; };
  size_t best = 0;
  for (size_t way = 1; way < slowest_.size(); ++way) {
    const double needed = best == 0 ? steps(1 / kClearlyFaster) : 0;
    if (known(way) && (!known(best) || slowest_[way] + needed < slowest_[best])) {
      best = way;
    }
  }
  for (size_t way = 1; way < slowest_.size(); ++way) {
    tried_[way] = pause_ >= kLongPause || (known(way) && slowest_[way] <= slowest_[best] + steps(kFarBehind));
  }
  way_ = best;
  left_ = pause_;
  pause_ = std::min(4 * pause_, kLongestPause);
}

}  // namespace banyan::coll
