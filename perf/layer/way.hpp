// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace banyan::perf {

/// One way to carry tokens to experts and back. All but name and wire_rows are collective, in equal order on all ranks.
class Way {
 public:
  virtual ~Way() = default;
  [[nodiscard]] virtual std::string name() const = 0;

  /// The parts of a step, in this order. Routing: what is told before rows move; it forgets the step before.
  virtual void route() = 0;
  virtual void dispatch() = 0;
  virtual void compute() = 0;  ///< the experts; local, never timed, may be left out
  virtual void combine() = 0;

  /// What combine wrote, [tokens, hidden]. Callers may spoil it before a step.
  [[nodiscard]] virtual std::vector<std::byte>& combined() = 0;
  /// How often a sum is rounded to the dtype on its way, at most.
  [[nodiscard]] virtual int roundings() const = 0;
  /// Rows that this rank's last dispatch sent to other hosts.
  [[nodiscard]] virtual uint64_t wire_rows() const = 0;

  /// Not timed, after a series of steps and before this rank waits for others outside the library: what the library
  /// still holds of the data moves on.
  virtual void settle() {}
  /// Exchanges so far that tried ways to make them; absent where the library tries none. The same on all ranks.
  [[nodiscard]] virtual std::optional<uint64_t> trials() const { return std::nullopt; }
};

/// Seconds of a step's parts on this rank.
struct StepTime {
  double route_s = 0;
  double dispatch_s = 0;
  double combine_s = 0;

  [[nodiscard]] double exchange_s() const { return dispatch_s + combine_s; }
  [[nodiscard]] double step_s() const { return route_s + dispatch_s + combine_s; }
};

/// A step without the experts' work, timed.
[[nodiscard]] StepTime time_step(Way& way);
/// A step with it, over a spoiled result.
void whole_step(Way& way);

}  // namespace banyan::perf
