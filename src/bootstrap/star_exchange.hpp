// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "bootstrap/abort_state.hpp"
#include "bootstrap/star.hpp"

/// The allgather over a star: every rank sends its part to the root, the root sends all parts to every rank. A failure
/// breaks the star for good: it is told to every rank that still listens, and every later call throws it again.
namespace banyan::bootstrap {

/// Rank 0's end. One thread at a time.
class StarRoot {
 public:
  explicit StarRoot(StarChannels channels) : channels_(std::move(channels)) {}

  [[nodiscard]] const StarChannels& channels() const noexcept { return channels_; }
  void allgatherv(const void* mine, void* all, std::span<const size_t> sizes, Deadline deadline);
  void heed(const AbortState* state) noexcept { heeded_ = state; }

 private:
  struct Operation;
  void collect(Operation& operation);
  void take_frames(Operation& operation, int rank);
  void take_contribution(Operation& operation, int rank, Bytes payload);
  void hand_out(Operation& operation);
  void feed(Operation& operation, int rank);
  [[nodiscard]] Error missing(const Operation& operation) const;

  StarChannels channels_;
  const AbortState* heeded_ = nullptr;
  std::optional<Error> failure_;
};

/// Another rank's end. One thread at a time.
class StarMember {
 public:
  StarMember(Channel channel, int rank) : channel_(std::move(channel)), rank_(rank) {}

  [[nodiscard]] const Channel& channel() const noexcept { return channel_; }
  void allgatherv(const void* mine, void* all, std::span<const size_t> sizes, Deadline deadline);
  void heed(const AbortState* state) noexcept { heeded_ = state; }

 private:
  void contribute(Bytes mine, Deadline deadline);
  void take_result(std::span<unsigned char> all, Deadline deadline);
  void wait(short events, Deadline deadline);

  Channel channel_;
  int rank_;
  const AbortState* heeded_ = nullptr;
  std::optional<Error> failure_;
};

}  // namespace banyan::bootstrap
