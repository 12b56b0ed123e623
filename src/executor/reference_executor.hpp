// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "executor/exchange.hpp"
#include "schedule/schedule.hpp"

namespace banyan::executor {

/// How a reference run went.
struct ReferenceRun {
  std::vector<size_t> order;        ///< messages by their place in the schedule, in the order in which they arrived
  uint64_t peak_scratch_bytes = 0;  ///< largest over ranks and time, of blocks stored and forwarded
  int max_in_flight = 0;            ///< most kMessage sends of one rank in flight at a time
};

/// Runs a whole schedule in this thread, slowly and obviously: the oracle of the executors' tests. `ranks[r]` are rank
/// r's buffers (borrowed, contents of recvbuf between blocks are left alone). Messages are packed, kept in flight and
/// unpacked one by one, in an order drawn from `seed` among all that the rules of verify.hpp allow, so that seeds
/// explore timings.
///
/// A receiver takes the size of a block from the message's header (self_describing), from `uniform`, or, for a block
/// that ends at it, from its own recv_bytes. Error{MISMATCH} if two ranks disagree on the size of a block;
/// Error{INTERNAL} if the schedule does not deliver every block that is not empty, needs a size that the receiver
/// cannot know, or deadlocks; Error{INVALID_ARGUMENT} if the number of buffers or counts does not fit.
[[nodiscard]] ReferenceRun execute_reference(const schedule::Schedule& schedule, std::span<const Exchange> ranks,
                                             uint64_t seed);

}  // namespace banyan::executor
