// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/exchange.hpp"
#include "common/pattern.hpp"
#include "common/traffic.hpp"

namespace banyan::perf {

/// What one turn of a candidate gave.
struct Turn {
  double exchange_s = 0;             ///< of the slowest rank, per exchange; infinite: the candidate's program is lost
  std::optional<Counters> counters;  ///< this rank's, of the turn; absent where the library does not count
};

/// What a library spent on trying ways to make an exchange.
struct Settling {
  int calls = 0;
  double seconds = 0;
};

/// A candidate that is set up for one traffic. All calls are collective over the ranks of mpi_compare.
class Player {
 public:
  virtual ~Player() = default;
  /// Times `exchanges` after `warmup` untimed ones. `exchange_s` is equal on all ranks. Failure: the library refuses.
  [[nodiscard]] virtual Turn time(int warmup, int exchanges) = 0;
  /// Does one exchange of the pattern of `salt` and returns this rank's wrong bytes.
  [[nodiscard]] virtual uint64_t check(uint64_t salt) = 0;
  /// Lets a library try what it tries of a repeated exchange, so that later calls show the steady state.
  [[nodiscard]] virtual Settling settle_in() { return {}; }
  [[nodiscard]] virtual std::optional<PlanFigures> plan() const { return std::nullopt; }
};

/// A library with one of its algorithms.
class Candidate {
 public:
  virtual ~Candidate() = default;
  [[nodiscard]] virtual std::string name() const = 0;  ///< "openmpi:pairwise", "mpich:auto", "banyan:auto"
  [[nodiscard]] virtual bool is_banyan() const = 0;
  /// Whether it is measured on only where its first round was among the best of those that may be left out.
  [[nodiscard]] virtual bool may_be_left_out() const { return false; }
  /// Collective. Traffic and buffers outlive the player.
  [[nodiscard]] virtual std::unique_ptr<Player> prepare(const Traffic& traffic, ExchangeBuffers& buffers) = 0;
};

}  // namespace banyan::perf
