// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

/// Schedules in time, computed instead of run: docs/simulator.md says what is modelled.
namespace banyan::simulator {

/// When a message did what, in seconds from the start of the exchange. issue <= wire start <= wire end <= done.
struct MessageTiming {
  double issue_s = 0;       ///< its sender begins to pack and post it
  double wire_start_s = 0;  ///< its first byte enters the first link; mapped: the write begins
  double wire_end_s = 0;    ///< its last byte is at the receiver
  double done_s = 0;        ///< the receiver has stored its blocks, or can forward them

  bool operator==(const MessageTiming&) const = default;
};

struct RankTiming {
  double finish_s = 0;  ///< its last send has left and its last receive is stored
  double busy_s = 0;    ///< of that, its core worked: overheads and copies

  bool operator==(const RankTiming&) const = default;
};

/// One direction of the boundary of a subtree, where the cost model limits it.
struct LinkTiming {
  int subtree = 0;  ///< index of LocalityTree::nodes()
  bool egress = false;
  double capacity_bytes_per_s = 0;
  uint64_t bytes = 0;  ///< that crossed, headers included
  double busy_s = 0;   ///< while at least one message crossed
  int rail = 0;        ///< of Options::rail_shares

  bool operator==(const LinkTiming&) const = default;
};

/// The messages of a step, all ranks'.
struct StepTiming {
  int step = 0;
  uint64_t num_messages = 0;
  uint64_t bytes = 0;
  double first_issue_s = 0;
  double last_done_s = 0;

  bool operator==(const StepTiming&) const = default;
};

/// A schedule in time. A value.
struct Timeline {
  double total_s = 0;  ///< until the last rank finishes
  uint64_t num_messages = 0;
  std::vector<MessageTiming>
      messages;  ///< by place in Schedule::messages; empty unless kept; zeros: never sent, since it has no bytes
  std::vector<RankTiming> ranks;  ///< by rank
  std::vector<LinkTiming> links;  ///< limited ones only, by subtree, egress first
  std::vector<StepTiming> steps;  ///< ascending

  bool operator==(const Timeline&) const = default;
};

/// The least time in which the links can carry what crossed them: max of bytes / capacity.
[[nodiscard]] double wire_bound_s(const Timeline& timeline) noexcept;

}  // namespace banyan::simulator
