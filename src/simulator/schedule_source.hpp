// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <queue>
#include <vector>

#include "schedule/verify.hpp"
#include "simulator/message_source.hpp"

namespace banyan::simulator {

/// The messages of a schedule that exists as a whole. Borrows it and the sizes.
///
/// Copies are those of the host executor: a message is packed unless it is one block of its sender, and the blocks that
/// end at the receiver are unpacked unless they arrive as one run of its receive buffer (never with a header). Messages
/// of no bytes are not sent; what waits for them goes on.
class ScheduleSource : public MessageSource {
 public:
  /// Error{INVALID_ARGUMENT} if the sizes are of another number of ranks, or a rank or block is out of range.
  ScheduleSource(const schedule::Schedule& schedule, const schedule::BlockSizes& sizes);

  [[nodiscard]] int num_ranks() const override { return schedule_.num_ranks; }
  [[nodiscard]] int window() const override { return schedule_.window; }
  [[nodiscard]] uint64_t own_bytes(int rank) const override { return sizes_.of({rank, rank}); }
  bool next(int rank, bool only_mapped, Transfer& send) override;
  void arrived(const Transfer& message) override;
  [[nodiscard]] bool exhausted() const override { return left_ == 0; }

 private:
  /// Positions in the schedule, smallest first.
  using Ready = std::priority_queue<size_t, std::vector<size_t>, std::greater<>>;

  void check() const;
  void link();
  void make_ready(size_t index);
  [[nodiscard]] Transfer transfer(size_t index) const;

  const schedule::Schedule& schedule_;
  schedule::BlockSizes sizes_;
  std::vector<int> missing_;                ///< by message: messages that bring its blocks and have not arrived
  std::vector<std::vector<size_t>> feeds_;  ///< by message: those that forward its blocks
  std::vector<Ready> ready_;                ///< by rank
  std::vector<Ready> ready_mapped_;         ///< by rank
  size_t left_ = 0;
};

}  // namespace banyan::simulator
