// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "planner/hosts.hpp"
#include "schedule/schedule.hpp"

namespace banyan::planner {

/// How a message between two ranks travels; `mapped`: written where they share memory.
[[nodiscard]] inline schedule::Path path_between(const Hosts& hosts, int from, int to, bool mapped) {
  return mapped && hosts.share_memory(from, to) ? schedule::Path::kMapped : schedule::Path::kMessage;
}

/// A message without blocks. `options` has `mapped` and `self_describing`.
template <typename Options>
[[nodiscard]] schedule::Message empty_message(const Hosts& hosts, const Options& options, int step, int from, int to) {
  return {.step = step,
          .from = from,
          .to = to,
          .path = path_between(hosts, from, to, options.mapped),
          .self_describing = options.self_describing,
          .blocks = {}};
}

}  // namespace banyan::planner
