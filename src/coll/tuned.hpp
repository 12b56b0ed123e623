// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "coll/planned.hpp"
#include "coll/traffic_class.hpp"
#include "coll/tuner.hpp"
#include "executor/exchange.hpp"
#include "planner/select.hpp"

namespace banyan::coll {

using Compile = std::function<std::shared_ptr<Planned>(const planner::Choice&)>;

/// Ways of an exchange that is repeated, each with its plan once it was used. Way 0 is the model's choice.
class Ways {
 public:
  /// At least one choice; of more than Tuner::kMostWays the last are left out.
  Ways(std::vector<planner::Choice> choices, Compile compile);

  [[nodiscard]] size_t size() const noexcept { return choices_.size(); }
  [[nodiscard]] const planner::Choice& choice(size_t way) const noexcept { return choices_[way]; }
  [[nodiscard]] const std::shared_ptr<Planned>& plan(size_t way);
  /// See Tuned.
  [[nodiscard]] std::string describe(const Tuner& tuner) const;

 private:
  std::vector<planner::Choice> choices_;
  std::vector<std::shared_ptr<Planned>> plans_;
  Compile compile_;
};

/// An exchange whose ways are tuned while it is repeated. The same on all ranks but for the notes. One thread.
class Tuned {
 public:
  virtual ~Tuned() = default;
  /// The plan of the next call; sets what the call carries beside the caller's data. Good until the next call.
  [[nodiscard]] virtual const std::shared_ptr<Planned>& next(executor::Exchange& exchange) = 0;
  /// Whether the next call is spent on a trial.
  [[nodiscard]] virtual bool tries() const noexcept = 0;
  /// The call is over; `notes`: by rank, if it carried them. Returns whether trials are over and a way was chosen.
  [[nodiscard]] virtual bool finished(double seconds, std::span<const uint32_t> notes) noexcept = 0;
  /// For people: the ways, what their last trials took, and which is used.
  [[nodiscard]] virtual std::string describe() const = 0;
};

/// All-to-all of so many bytes per pair. Its messages have no headers: a call that carries notes is made as an
/// all-to-all-v.
class TunedUniform final : public Tuned {
 public:
  /// `noted`: the plan of an all-to-all-v that aggregates.
  TunedUniform(Ways ways, std::shared_ptr<Planned> noted, size_t block_bytes, size_t num_ranks);

  [[nodiscard]] const std::shared_ptr<Planned>& next(executor::Exchange& exchange) override;
  [[nodiscard]] bool tries() const noexcept override { return tuner_.tries(); }
  [[nodiscard]] bool finished(double seconds, std::span<const uint32_t> notes) noexcept override;
  [[nodiscard]] std::string describe() const override;

 private:
  Ways ways_;
  std::shared_ptr<Planned> noted_;
  std::vector<size_t> bytes_, offsets_;  ///< by rank, for that
  Tuner tuner_;
};

/// All-to-all-v, with a Tuner for each class of traffic. Some calls carry a note of how much the rank has to move, and
/// of what the Tuner reports; they aggregate, whatever the way, since notes travel in the headers.
class TunedVariable final : public Tuned {
 public:
  /// Way 0 aggregates.
  TunedVariable(Ways ways, int rank);

  [[nodiscard]] const std::shared_ptr<Planned>& next(executor::Exchange& exchange) override;
  [[nodiscard]] bool tries() const noexcept override;
  [[nodiscard]] bool finished(double seconds, std::span<const uint32_t> notes) noexcept override;
  [[nodiscard]] std::string describe() const override;

  static constexpr int kCallsBetweenNotes = 16;
  /// From this width on (8 MiB a rank) nothing is tried: all ways take about what the wires take.
  static constexpr int kWidestTuned = 23;

 private:
  [[nodiscard]] uint32_t width_of(const executor::Exchange& exchange) const noexcept;

  Ways ways_;
  int rank_;
  TrafficClass class_;
  int calls_until_note_ = 0;
  size_t chosen_class_ = 0;                                                         ///< of the last choice
  std::array<std::optional<Tuner>, size_t{1} << TrafficClass::kWidthBits> tuners_;  ///< by class
};

}  // namespace banyan::coll
