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

/// One way to do the exchange of a point, set up and ready to run on fixed buffers.
class PreparedExchange {
 public:
  virtual ~PreparedExchange() = default;
  /// Collective, blocks until this rank's part is done. Failure when the library refuses.
  virtual void run() = 0;
  /// Collective, not timed, after a series of runs and before this rank waits for others outside the library: what the
  /// library still holds of the data moves on. Does nothing where the library needs no such call.
  virtual void settle() {}
  /// Calls so far that tried ways to make this exchange; absent where the library tries none. The same on all ranks.
  [[nodiscard]] virtual std::optional<uint64_t> trials() const { return std::nullopt; }
  /// This rank's messages so far; absent where the library does not count.
  [[nodiscard]] virtual std::optional<Counters> counters() const { return std::nullopt; }
  [[nodiscard]] virtual std::optional<PlanFigures> plan() const { return std::nullopt; }
};

/// A library with one of its algorithms.
class Candidate {
 public:
  virtual ~Candidate() = default;
  [[nodiscard]] virtual std::string name() const = 0;  ///< "openmpi:pairwise", "banyan:auto"
  [[nodiscard]] virtual bool is_banyan() const = 0;
  /// Collective. Traffic and buffers outlive the prepared exchange.
  [[nodiscard]] virtual std::unique_ptr<PreparedExchange> prepare(const Traffic& traffic, ExchangeBuffers& buffers) = 0;
};

}  // namespace banyan::perf
