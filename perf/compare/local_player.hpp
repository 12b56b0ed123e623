// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <limits>
#include <memory>

#include "compare/candidate.hpp"

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

/// A candidate whose exchanges run in this program, between barriers of its MPI.
class LocalPlayer final : public Player {
 public:
  /// `buffers` are those of the exchange, and borrowed.
  LocalPlayer(std::unique_ptr<PreparedExchange> exchange, ExchangeBuffers& buffers);

  /// The second barrier keeps the end of the untimed exchanges, where ranks wait for each other, out of the time.
  /// Another one closes the time: a rank that left the second late finds its data there already, and would count only
  /// the rest. What closing takes at least is left out again.
  [[nodiscard]] Turn time(int warmup, int exchanges) override;
  [[nodiscard]] uint64_t check(uint64_t salt) override;
  [[nodiscard]] Settling settle_in() override;
  [[nodiscard]] std::optional<PlanFigures> plan() const override { return exchange_->plan(); }

 private:
  double time_of_closing();

  std::unique_ptr<PreparedExchange> exchange_;
  ExchangeBuffers& buffers_;
  double closing_s_ = std::numeric_limits<double>::infinity();  ///< the least so far
};

}  // namespace banyan::perf
