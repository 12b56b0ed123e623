// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "schedule/schedule.hpp"

namespace banyan::schedule {

/// Sizes of all blocks in bytes, row-major [num_ranks, num_ranks], for the checks and counts that need sizes.
struct BlockSizes {
  int num_ranks = 0;
  std::span<const uint64_t> bytes;

  [[nodiscard]] uint64_t of(const Block& block) const {
    return bytes[static_cast<size_t>(block.src) * static_cast<size_t>(num_ranks) + static_cast<size_t>(block.dst)];
  }
};

/// What verification found. ok() or the first problem in words: "block 3->5 reaches rank 5 twice (messages 4 and 9)".
struct Verdict {
  std::string problem;
  uint64_t peak_scratch_bytes = 0;  ///< largest over ranks, of blocks stored and forwarded
  [[nodiscard]] bool ok() const noexcept { return problem.empty(); }
};

/// Proves that a schedule is an all-to-all: every block (i, j), i != j, whose size is not zero (every block, where
/// `sizes` is empty) arrives at j exactly once; a rank sends only what it has or will have received; messages join
/// different ranks in range, are not empty and are listed by (step, from); no rank receives a block it already has or
/// sends one twice, so that a block moves along one path from i to j and leaves no copy behind; no pair of ranks has
/// more than kMaxMessagesPerPair messages; and all messages complete whatever the timing (no deadlock), where each rank
/// issues its sends in order, a send whose blocks are not there yet does not hold back later ones unless both are
/// mapped and go to the same rank, at most kMappedSlots mapped messages of a sender lie at a receiver, at most `window`
/// kMessage sends are in flight, and every receive is posted at the start. A problem of the sizes themselves (not
/// [num_ranks, num_ranks]) is a problem too. Peak scratch is counted as if all the blocks that a rank forwards lay
/// there at once, an upper bound, and stops at UINT64_MAX. Time O(moves log moves), memory O(moves), where moves is the
/// number of blocks in all messages. Any thread.
[[nodiscard]] Verdict verify(const Schedule& schedule, const BlockSizes& sizes);

}  // namespace banyan::schedule
