// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "common/handles.hpp"
#include "step.hpp"

namespace banyan::perf {

using Clock = std::chrono::steady_clock;

[[nodiscard]] inline double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Seconds of a step's parts on this rank. Routing: what is told before rows move.
struct StepTime {
  double route_s = 0;
  double dispatch_s = 0;
  double combine_s = 0;
};

/// One way to carry tokens to experts and back. Collective; borrows comm and layer.
class Way {
 public:
  virtual ~Way() = default;
  [[nodiscard]] virtual std::string name() const = 0;
  /// A whole step with fresh routing; experts run in between only if `computes`, untimed.
  [[nodiscard]] virtual StepTime run(bool computes) = 0;
  /// What the last step gave, [tokens, hidden].
  [[nodiscard]] virtual const std::vector<uint16_t>& combined() const = 0;
  /// Rows that this rank's last dispatch sent to other hosts.
  [[nodiscard]] virtual uint64_t wire_rows() const = 0;
};

/// What programs do without a token exchange: a row for each choice, sorted by rank; counts exchanged; rows and
/// experts' numbers by all-to-all-v; sorted by expert; back the same way; the weighted sum at the source.
[[nodiscard]] std::unique_ptr<Way> make_rows_way(banyan_comm* comm, const Layer& layer);

/// banyan/moe.h with that banyan_moe_dedup.
[[nodiscard]] std::unique_ptr<Way> make_group_way(banyan_comm* comm, const Layer& layer, int dedup);

}  // namespace banyan::perf
