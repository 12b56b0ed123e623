// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "banyan/device_plugin.h"

/// What the host and the kernel of an exchange share.
///
/// **Lines.** Pairs of up to eager_bytes pass through the receiver's inbox. A line is 128 bytes: 120 of data, then the
/// number of the exchange. Eight lanes store it with one instruction and load it with one, so who sees the number has
/// the data: no fence, no second trip. Each pair has two inboxes, used in turn: a rank ends an exchange only after
/// every peer's line of it, and the peer sent that after it had read the exchange before; so every pair has at least
/// one line in each exchange.
///
/// **Push.** Of larger pairs the receiver grants the sender a place in a registered window, the sender stores the data
/// there and then the arrival. One trip of latency more, and no copy.
namespace banyan::cuda {

constexpr size_t kLineBytes = 128;
constexpr size_t kLineData = 120;
constexpr int kThreads = 512;

[[nodiscard]] __host__ __device__ constexpr size_t lines_of(size_t bytes) {
  return bytes == 0 ? 1 : (bytes + kLineData - 1) / kLineData;
}

/// A word that a peer writes, with the exchange that it is about.
struct alignas(16) Note {
  uint64_t value;
  uint64_t call;
};

/// Where a receiver wants the data: window in the upper 16 bits, offset below.
constexpr int kOffsetBits = 48;

/// An inbox: by peer, what it granted to this rank; by peer, which of its pushes have arrived; then the lines,
/// [2][peer][lines of eager_bytes].
struct InboxLayout {
  int num_ranks;
  size_t eager_lines;

  [[nodiscard]] __host__ __device__ size_t grant(int peer) const { return sizeof(Note) * static_cast<size_t>(peer); }
  [[nodiscard]] __host__ __device__ size_t arrival(int peer) const { return grant(num_ranks + peer); }
  [[nodiscard]] __host__ __device__ size_t lines(uint64_t call, int peer) const {
    const size_t first = (grant(2 * num_ranks) + kLineBytes - 1) / kLineBytes * kLineBytes;
    const size_t index = (call % 2) * static_cast<size_t>(num_ranks) + static_cast<size_t>(peer);
    return first + index * eager_lines * kLineBytes;
  }
  [[nodiscard]] __host__ __device__ size_t bytes() const {
    return lines(0, 0) + 2 * static_cast<size_t>(num_ranks) * eager_lines * kLineBytes;
  }
};

/// Device memory of a group, read and written by its kernels alone.
struct GroupState {
  uint64_t calls;   ///< exchanges that are over
  uint32_t blocks;  ///< of the present one, those that are over
  uint32_t failed;  ///< no exchange does anything any more
};

/// Pinned host memory of a group, mapped.
struct HostWords {
  uint32_t abort;    ///< written by the host
  uint32_t claimed;  ///< by the thread that reports
  uint32_t valid;    ///< the report is whole
  int32_t status;
  int32_t peer;
  uint64_t call;
};

struct Move {
  const char* send;
  uint64_t send_bytes;
  char* recv;
  uint64_t recv_bytes;
  uint64_t grant;  ///< of what is not eager
};

/// The kernel's argument.
struct Exchange {
  int rank;
  int copying_blocks;  ///< the last ones, which do not push; 0: all blocks do both
  InboxLayout layout;
  uint64_t eager_bytes;
  uint64_t timeout_ns;
  GroupState* state;
  HostWords* words;
  char* const* inboxes;  ///< [rank], device memory
  char* const* windows;  ///< [window][rank], device memory
  Move moves[BANYAN_DEVICE_MAX_RANKS];
};
static_assert(sizeof(Exchange) <= 4000, "a kernel's arguments have 4 KiB on all drivers");

/// Enqueues it on `stream` with so many blocks, all of which must fit on the device at once.
[[nodiscard]] cudaError_t launch_exchange(const Exchange& exchange, int num_blocks, cudaStream_t stream);

}  // namespace banyan::cuda
