// SPDX-License-Identifier: Apache-2.0
#include "coll/tuned.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace banyan::coll {
namespace {

uint32_t largest(std::span<const uint32_t> notes) noexcept {
  return notes.empty() ? 0 : *std::max_element(notes.begin(), notes.end());
}

/// " (39, 37, 38)": the rounds of the last trials, microseconds.
std::string rounds_of(const Tuner& tuner, size_t way) {
  std::string text;
  for (int round = 1; round <= Tuner::kRounds && tuner.time_in_round_s(way, round) > 0; ++round) {
    text += fmt::format("{}{:.1f}", round == 1 ? " (" : ", ", 1e6 * tuner.time_in_round_s(way, round));
  }
  return text.empty() ? text : text + ")";
}

}  // namespace

Ways::Ways(std::vector<planner::Choice> choices, Compile compile)
    : choices_(std::move(choices)), compile_(std::move(compile)) {
  choices_.resize(std::min(choices_.size(), Tuner::kMostWays));
  plans_.resize(choices_.size());
}

const std::shared_ptr<Planned>& Ways::plan(size_t way) {
  if (plans_[way] == nullptr) {
    plans_[way] = compile_(choices_[way]);
  }
  return plans_[way];
}

std::string Ways::describe(const Tuner& tuner) const {
  std::string text;
  for (size_t way = 0; way < size(); ++way) {
    const planner::Choice& choice = choices_[way];
    text += fmt::format("{}{}{} took {:.1f} us{}{}", way == 0 ? "" : ", ", algorithm_name(choice.chosen.algorithm),
                        choice.block_limit == 0 ? "" : fmt::format(" up to {} bytes a pair", choice.block_limit),
                        1e6 * tuner.time_s(way), rounds_of(tuner, way), way == tuner.way() ? ", chosen" : "");
  }
  return text;
}

TunedUniform::TunedUniform(Ways ways, std::shared_ptr<Planned> noted, size_t block_bytes, size_t num_ranks)
    : ways_(std::move(ways)), noted_(std::move(noted)), bytes_(num_ranks, block_bytes), tuner_(ways_.size()) {
  for (size_t rank = 0; rank < num_ranks; ++rank) {
    offsets_.push_back(rank * block_bytes);
  }
}

const std::shared_ptr<Planned>& TunedUniform::next(executor::Exchange& exchange) {
  exchange.carries_notes = tuner_.carries_note();
  exchange.note = tuner_.note();
  exchange.uniform = !exchange.carries_notes;
  exchange.send_bytes = exchange.recv_bytes = bytes_;
  exchange.send_offsets = exchange.recv_offsets = offsets_;
  return exchange.carries_notes ? noted_ : ways_.plan(tuner_.way());
}

bool TunedUniform::finished(double seconds, std::span<const uint32_t> notes) noexcept {
  return tuner_.finished(seconds, largest(notes));
}

std::string TunedUniform::describe() const { return ways_.describe(tuner_); }

TunedVariable::TunedVariable(Ways ways, int rank) : ways_(std::move(ways)), rank_(rank) {}

/// Of the larger of what this rank sends to and receives from others.
uint32_t TunedVariable::width_of(const executor::Exchange& exchange) const noexcept {
  const auto sum = [&](std::span<const size_t> by_peer) {
    const size_t all = std::accumulate(by_peer.begin(), by_peer.end(), size_t{0});
    return all - by_peer[static_cast<size_t>(rank_)];
  };
  return TrafficClass::width_of(std::max(sum(exchange.send_bytes), sum(exchange.recv_bytes)));
}

const std::shared_ptr<Planned>& TunedVariable::next(executor::Exchange& exchange) {
  const int width = class_.width();
  auto& tuner = tuners_[static_cast<size_t>(width)];
  if (!tuner) {
    tuner.emplace(width == 0 || width > kWidestTuned ? 1 : ways_.size());
  }
  const bool observed = !tuner->tries() && (class_.in_doubt() || calls_until_note_ == 0);
  exchange.carries_notes = tuner->carries_note() || observed;
  exchange.note = (tuner->note() << TrafficClass::kWidthBits) | width_of(exchange);
  const bool aggregates = ways_.choice(tuner->way()).block_limit > 0;
  return ways_.plan(aggregates || !exchange.carries_notes ? tuner->way() : 0);
}

bool TunedVariable::tries() const noexcept {
  const auto& tuner = tuners_[static_cast<size_t>(class_.width())];
  return tuner && tuner->tries();
}

bool TunedVariable::finished(double seconds, std::span<const uint32_t> notes) noexcept {
  const auto now = static_cast<size_t>(class_.width());
  auto& tuner = tuners_[now];
  if (!tuner) {  // not started by next()
    return false;
  }
  if (notes.empty()) {
    calls_until_note_ -= calls_until_note_ > 0 ? 1 : 0;
  } else {
    constexpr uint32_t kWidth = (uint32_t{1} << TrafficClass::kWidthBits) - 1;
    uint32_t width = 0;
    for (const uint32_t note : notes) {
      width = std::max(width, note & kWidth);
    }
    class_.observe(static_cast<int>(width));
    calls_until_note_ = kCallsBetweenNotes;
  }
  chosen_class_ = now;
  return tuner->finished(seconds, largest(notes) >> TrafficClass::kWidthBits);
}

std::string TunedVariable::describe() const {
  const auto& tuner = tuners_[chosen_class_];
  return tuner ? ways_.describe(*tuner) : "";
}

}  // namespace banyan::coll
