// SPDX-License-Identifier: Apache-2.0
#include "coll/tuner.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

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
  trial_ = std::numeric_limits<size_t>::max();
  next_trial();
}

void Tuner::next_trial() noexcept {
  do {
    ++trial_;
  } while (trial_ < slowest_.size() && !tried_[trial_]);
  calls_ = 0;
  fastest_s_ = std::numeric_limits<double>::infinity();
  way_ = trial_ < slowest_.size() ? trial_ : way_;
}

void Tuner::finished(double seconds, std::span<const uint32_t> notes) noexcept {
  if (reports_) {
    slowest_[reported_] = notes.empty() ? 0 : *std::max_element(notes.begin(), notes.end());
    reports_ = false;
    if (trial_ == slowest_.size()) {
      choose();
      return;
    }
  }
  if (trial_ < slowest_.size()) {
    fastest_s_ = calls_ > 0 ? std::min(fastest_s_, seconds) : fastest_s_;
    if (++calls_ == kTrialCalls) {
      reports_ = true;
      reported_ = trial_;
      note_ = note_of(fastest_s_);
      next_trial();
    }
  } else if (slowest_.size() > 1 && --left_ == 0) {
    begin_trials();
  }
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
