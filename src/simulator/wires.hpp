// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "simulator/fair_share.hpp"

namespace banyan::simulator {

/// What a message asks of the wires.
struct Flow {
  Route route;
  double bytes = 0;
  double limit_bytes_per_s = 0;  ///< 0: none
  uint64_t connection = 0;       ///< of its two ranks and rail; what one carries stays in order where that matters
  int label = 0;                 ///< the caller's, at least 0
};

/// How links carry messages in time. One thread.
class Wires {
 public:
  static constexpr int kNothing = -1;

  Wires() = default;
  Wires(const Wires&) = delete;
  Wires& operator=(const Wires&) = delete;
  virtual ~Wires() = default;

  /// A message begins at `now_s`.
  virtual void begin(const Flow& flow, double now_s) = 0;
  /// Has to be called when all that begins or ends at a time has been told, before next_s() is asked.
  virtual void settle(double now_s) = 0;
  [[nodiscard]] virtual bool idle() const noexcept = 0;
  /// When something happens next; infinity if nothing does.
  [[nodiscard]] virtual double next_s() const noexcept = 0;
  /// Lets it happen. Returns the label of the message that ended, or kNothing.
  virtual int advance(double now_s) = 0;

  /// Time during which the link was in use, bytes that crossed or will.
  [[nodiscard]] virtual double busy_s(int link) const = 0;
  [[nodiscard]] virtual double bytes(int link) const = 0;
};

}  // namespace banyan::simulator
