// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>
#include <vector>

#include "planner/algorithms/direct.hpp"
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

/// Appends what the ranks of the part's host give each other in a step, `make(from, to)`; nothing where that is empty.
template <typename Make>
void append_local_step(const Hosts& hosts, schedule::RankSchedule& part, Make make) {
  const auto append = [](std::vector<schedule::Message>& messages, schedule::Message message) {
    if (!message.blocks.empty()) {
      messages.push_back(std::move(message));
    }
  };
  for (const int peer : direct::local_send_order(hosts, part.rank)) {
    append(part.sends, make(part.rank, peer));
  }
  for (const int peer : direct::local_receive_order(hosts, part.rank)) {
    append(part.receives, make(peer, part.rank));
  }
}

}  // namespace banyan::planner
