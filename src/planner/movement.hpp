// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "planner/predict.hpp"
#include "planner/select.hpp"
#include "schedule/schedule.hpp"
#include "schedule/staging.hpp"

namespace banyan::planner {

/// What crosses the boundary of a host or rack in one direction.
struct LinkLoad {
  int node = 0;  ///< index of the subtree in LocalityTree::nodes()
  bool egress = true;
  std::string name;                 ///< "node1 egress"
  uint64_t messages = 0;            ///< direct messages count once, into however many pieces they are cut
  uint64_t bytes = 0;               ///< headers and forwarded blocks included
  double capacity_bytes_per_s = 0;  ///< 0: no limit
  double time_s = 0;                ///< bytes / capacity; 0 without a limit
  double share = 0;                 ///< of the busiest link's time, 0 to 1

  bool operator==(const LinkLoad&) const = default;
};

/// The messages of one step, and what they would take if it ran alone.
struct StepLoad {
  int step = 0;
  uint64_t remote_messages = 0;  ///< between hosts
  uint64_t local_messages = 0;   ///< inside hosts
  uint64_t mapped_messages = 0;  ///< of the local ones, written into mapped memory
  uint64_t remote_bytes = 0;
  uint64_t local_bytes = 0;
  Prediction
      prediction;  ///< the formula of docs/cost-model.md over these messages; steps overlap, so it does not add up
};

/// What a schedule moves, counted message by message. A value.
struct Movement {
  std::vector<StepLoad> steps;
  std::vector<LinkLoad> links;  ///< of hosts and racks that do not hold all ranks, by node, egress first
};

/// `message_bytes`: payload of each message, headers included. Time O(messages + steps * (ranks + tree nodes)).
/// Error{LIMIT} if a sum of bytes passes 2^64 - 1.
[[nodiscard]] Movement count_movement(const Situation& situation, const schedule::Schedule& schedule,
                                      std::span<const uint64_t> message_bytes, const schedule::StagingRule& rule);

/// The links that take time, slowest first, at most `most`.
[[nodiscard]] std::vector<LinkLoad> busiest_links(const Movement& movement, size_t most);

}  // namespace banyan::planner
