// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace banyan::executor {

/// The caller's buffers of one exchange, in bytes. Borrowed until the exchange is over.
struct Exchange {
  const std::byte* sendbuf = nullptr;
  std::byte* recvbuf = nullptr;
  bool uniform = true;
  size_t block_bytes = 0;              ///< uniform: bytes per pair
  std::span<const size_t> send_bytes;  ///< all-to-all-v: by peer
  std::span<const size_t> send_offsets;
  std::span<const size_t> recv_bytes;
  std::span<const size_t> recv_offsets;
  /// All-to-all-v with aggregated messages: `note` goes to every rank; HostExecutor::notes has what came. Both are
  /// equal on all ranks but for the note itself.
  bool carries_notes = false;
  uint32_t note = 0;
  std::span<const uint32_t> notes{};  ///< not empty: by peer, in place of `note`
  /// Not empty: receivers know bounds, not sizes. `recv_bytes` are then the most bytes that may come from each rank,
  /// and these the most that may go to each; both ends of a pair have the same bound, below schedule::kMaxListedSize,
  /// and every pair is in a self-describing message. HostExecutor::received has how much came.
  std::span<const size_t> send_bounds{};
  /// Of what the caller makes it for; equal on all ranks. Exchanges of unlike purposes never meet: messages of one are
  /// not taken for the other's, and ranks that make different ones end with an error.
  uint32_t purpose = 0;

  [[nodiscard]] size_t send_size(int peer) const noexcept {
    return uniform ? block_bytes : send_bytes[static_cast<size_t>(peer)];
  }
  [[nodiscard]] size_t recv_size(int peer) const noexcept {
    return uniform ? block_bytes : recv_bytes[static_cast<size_t>(peer)];
  }
  [[nodiscard]] bool bounded() const noexcept { return !send_bounds.empty(); }
  /// What both ends know that a pair may have.
  [[nodiscard]] size_t send_bound(int peer) const noexcept {
    return bounded() ? send_bounds[static_cast<size_t>(peer)] : send_size(peer);
  }
  [[nodiscard]] uint32_t note_to(int peer) const noexcept {
    return notes.empty() ? note : notes[static_cast<size_t>(peer)];
  }
  [[nodiscard]] const std::byte* send_block(int peer) const noexcept {
    return sendbuf + (uniform ? block_bytes * static_cast<size_t>(peer) : send_offsets[static_cast<size_t>(peer)]);
  }
  [[nodiscard]] std::byte* recv_block(int peer) const noexcept {
    return recvbuf + (uniform ? block_bytes * static_cast<size_t>(peer) : recv_offsets[static_cast<size_t>(peer)]);
  }
};

}  // namespace banyan::executor
