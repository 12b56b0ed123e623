// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "banyan/device_plugin.h"
#include "cuda/group_state.cuh"
#include "cuda/words.cuh"

/// Words between ranks, and waits that end: with a deadline, and when the host or another wait gave up.
namespace banyan::cuda {

constexpr unsigned kPollsPerLook = 256;  ///< at the clock and the abort word, which is in host memory

/// How long an exchange's waits may last.
class Patience {
 public:
  __device__ explicit Patience(const Watch& watch) : watch_(watch), deadline_ns_(now_ns() + watch.timeout_ns) {}

  /// Whether a wait for `peer` must end; reports it if it is the first.
  __device__ bool is_over(int peer, uint64_t call) const {
    if (load_word(&watch_.state->failed) != 0) {
      return true;
    }
    const bool aborted = load_word(&watch_.words->abort) != 0;
    if (!aborted && now_ns() < deadline_ns_) {
      return false;
    }
    report(aborted ? BANYAN_ERR_ABORTED : BANYAN_ERR_TIMEOUT, peer, call);
    return true;
  }

 private:
  __device__ void report(banyan_status status, int peer, uint64_t call) const {
    if (atomicExch(&watch_.state->failed, 1U) == 0) {
      HostWords& words = *watch_.words;
      words.status = status;
      words.peer = peer;
      words.call = call;
      __threadfence_system();
      store_release(&words.valid, 1);
    }
  }

  const Watch& watch_;
  uint64_t deadline_ns_;
};

/// Waits for a peer's word about this call, and all that it knew of before. One thread.
__device__ inline bool await(const Patience& patience, const char* address, uint64_t call, int peer, uint64_t& word) {
  for (unsigned polls = 1;; ++polls) {
    word = load_acquire(address);
    if (Arrival::call(word) == call) {
      return true;
    }
    if (polls % kPollsPerLook == 0 && patience.is_over(peer, call)) {
      return false;
    }
  }
}

/// The number of the call that this kernel makes, the same for all of a block; 0: the group has failed.
__device__ inline uint64_t begin_call(const uint64_t& calls, const uint32_t& failed) {
  __shared__ uint64_t call;
  if (threadIdx.x == 0) {
    call = load_word(&failed) != 0 ? 0 : *const_cast<const volatile uint64_t*>(&calls) + 1;
  }
  __syncthreads();
  return call;
}

/// Whether this block is the last one of its kernel, which count in `blocks`. Orders nothing.
__device__ inline bool is_last_block(uint32_t& blocks) {
  __shared__ bool last;
  __syncthreads();
  if (threadIdx.x == 0) {
    last = atomicAdd(&blocks, 1) == gridDim.x - 1;
  }
  __syncthreads();
  return last;
}

/// The same, and what the others stored comes before what the last one does then, for peers too.
__device__ inline bool is_last_block_in_order(uint32_t& blocks) {
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence_system();
  }
  const bool last = is_last_block(blocks);
  if (last && threadIdx.x == 0) {
    __threadfence_system();
  }
  __syncthreads();
  return last;
}

/// The last block's: the next kernel makes the next call.
__device__ inline void end_call(uint64_t& calls, uint32_t& blocks, uint64_t call) {
  if (threadIdx.x == 0) {
    blocks = 0;
    calls = call;
  }
}

}  // namespace banyan::cuda
