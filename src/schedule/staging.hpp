// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "schedule/schedule.hpp"

/// Where a rank keeps messages that do not go straight from one caller's buffer into the other's, and how much memory
/// that takes: known before the exchange, from the schedule alone.
namespace banyan::schedule {

/// What it depends on beside the schedule; equal on all ranks.
struct StagingRule {
  bool uniform = true;
  size_t block_bytes = 0;    ///< uniform: bytes of every block
  size_t block_limit = 0;    ///< self-describing messages carry blocks up to this size
  size_t ring_capacity = 0;  ///< payload bytes of a mapped slot; 0: there are none
};

/// Staged messages start at multiples of this.
inline constexpr size_t kStagingAlignment = 64;

/// Whether the message is written into a slot of its receiver's memory; only a payload that is too large for it then
/// goes through a transport.
[[nodiscard]] bool uses_slot(const Message& message, const StagingRule& rule) noexcept;
/// Whether it is one block that goes from its sender's buffer into its receiver's.
[[nodiscard]] bool is_direct(const Message& message, const StagingRule& rule) noexcept;
/// Whether all its blocks arrive as one run of its receiver's buffer.
[[nodiscard]] bool lands_in_place(const Message& message, const StagingRule& rule) noexcept;

/// Bytes that the message takes at its sender, at its receiver. Error{LIMIT}: more than there are addresses.
[[nodiscard]] size_t staged_at_sender(const Message& message, const StagingRule& rule);
[[nodiscard]] size_t staged_at_receiver(const Message& message, const StagingRule& rule);

/// Rounds up to kStagingAlignment and adds. Error{LIMIT} as above.
[[nodiscard]] size_t add_staged(size_t total, size_t bytes);
/// The sum over all messages of a rank.
[[nodiscard]] size_t staging_bytes(const RankSchedule& part, const StagingRule& rule);

}  // namespace banyan::schedule
