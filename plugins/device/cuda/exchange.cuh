// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "banyan/device_plugin.h"
#include "cuda/group_state.cuh"

/// What the host and the kernel of an exchange share.
///
/// **Lines.** Pairs of up to eager_bytes pass through the receiver's inbox. A line is 128 bytes: 120 of data, then the
/// number of the exchange. Eight lanes store it with one instruction and load it with one, so who sees the number has
/// the data: no fence, no second trip. Each pair has two inboxes, used in turn: a rank ends an exchange only after
/// every peer's line of it, and the peer sent that after it had read the exchange before; so every pair has at least
/// one line in each exchange.
///
/// **Push.** Of larger pairs the receiver grants the sender a place in a registered window, in one store; the sender's
/// blocks store the data there, and each then posts its arrival. One trip of latency more, and no copy.
///
/// **Pull.** Where the receivers know where the data lies, copy engines fetch it between two small kernels: one waits
/// until it may be read, the other until it has been. They only read what is not the receiver's, so that a rank whose
/// wait failed, and whose copies then run all the same, harms nobody.
namespace banyan::cuda {

constexpr size_t kLineBytes = 128;
constexpr size_t kLineData = 120;
constexpr int kThreads = 512;
constexpr int kBlocksOfSm = 2;     ///< fit on a multiprocessor at once
constexpr int kMostPushers = 128;  ///< blocks that push
constexpr int kPeerThreads = 96;   ///< of a kernel in which a thread waits for a peer
static_assert(kPeerThreads >= BANYAN_DEVICE_MAX_RANKS);

[[nodiscard]] __host__ __device__ constexpr size_t lines_of(size_t bytes) {
  return bytes == 0 ? 1 : (bytes + kLineData - 1) / kLineData;
}

/// Where a receiver wants the data: window in the upper 16 bits, offset below.
constexpr int kOffsetBits = 48;

/// An inbox: by peer, what it granted to this rank (place and call, 16 bytes); by peer, the last call whose data may be
/// read; by peer and block of its, the last call
/// whose pushes have arrived; then the lines, [2][peer][lines of eager_bytes].
struct InboxLayout {
  int num_ranks;
  size_t eager_lines;

  [[nodiscard]] __host__ __device__ size_t grant(int peer) const { return 16 * static_cast<size_t>(peer); }
  [[nodiscard]] __host__ __device__ size_t ready(int peer) const {
    return grant(num_ranks) + sizeof(uint64_t) * static_cast<size_t>(peer);
  }
  [[nodiscard]] __host__ __device__ size_t arrival(int peer, unsigned block) const {
    return ready(num_ranks) + sizeof(uint64_t) * (static_cast<size_t>(peer) * kMostPushers + block);
  }
  [[nodiscard]] __host__ __device__ size_t lines(uint64_t call, int peer) const {
    const size_t first = (arrival(num_ranks, 0) + kLineBytes - 1) / kLineBytes * kLineBytes;
    const size_t index = (call % 2) * static_cast<size_t>(num_ranks) + static_cast<size_t>(peer);
    return first + index * eager_lines * kLineBytes;
  }
  [[nodiscard]] __host__ __device__ size_t bytes() const {
    return lines(0, 0) + 2 * static_cast<size_t>(num_ranks) * eager_lines * kLineBytes;
  }
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
  int pushes;          ///< whether some pair is not eager
  int copying_blocks;  ///< the last ones, which do not push; 0: all blocks do both
  InboxLayout layout;
  uint64_t eager_bytes;
  Watch watch;
  char* const* windows;  ///< [window][rank], device memory
  char* inboxes[BANYAN_DEVICE_MAX_RANKS];
  Move moves[BANYAN_DEVICE_MAX_RANKS];
};
static_assert(sizeof(Exchange) <= 4000, "a kernel's arguments have 4 KiB on all drivers");

/// Enqueues it on `stream` with so many blocks, all of which must fit on the device at once.
[[nodiscard]] cudaError_t launch_exchange(const Exchange& exchange, int num_blocks, cudaStream_t stream);
/// What comes before the copies of a pull, and after them. One block each.
[[nodiscard]] cudaError_t launch_open(const Exchange& exchange, cudaStream_t stream);
[[nodiscard]] cudaError_t launch_close(const Exchange& exchange, cudaStream_t stream);
/// How many blocks fit on a multiprocessor at once. Also loads the kernels, so that first launches wait for nothing.
[[nodiscard]] cudaError_t most_exchange_blocks_of_sm(int* blocks);

}  // namespace banyan::cuda
