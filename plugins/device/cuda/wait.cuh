// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/exchange.cuh"

/// Words between ranks, and waits that end: with a deadline, and when the host or another wait gave up.
namespace banyan::cuda {

constexpr unsigned kPollsPerLook = 256;  ///< at the clock and the abort word, which is in host memory

__device__ inline uint32_t load_word(const uint32_t* word) {
  uint32_t value;
  asm volatile("ld.relaxed.sys.global.u32 %0, [%1];" : "=r"(value) : "l"(word) : "memory");
  return value;
}

/// Both in one access of 16 bytes; eight neighbouring lanes make one of 128.
__device__ inline void store_pair(char* address, ulonglong2 pair) {
  asm volatile("st.relaxed.sys.global.v2.u64 [%0], {%1, %2};" ::"l"(address), "l"(pair.x), "l"(pair.y) : "memory");
}
__device__ inline ulonglong2 load_pair(const char* address) {
  ulonglong2 pair;
  asm volatile("ld.relaxed.sys.global.v2.u64 {%0, %1}, [%2];" : "=l"(pair.x), "=l"(pair.y) : "l"(address) : "memory");
  return pair;
}

/// Writes a note; who sees its call sees its value, and what this thread stored or knew of before.
__device__ inline void post(char* address, Note note) {
  asm volatile("st.relaxed.sys.global.u64 [%0], %1;" ::"l"(address), "l"(note.value) : "memory");
  __threadfence_system();
  asm volatile("st.release.sys.global.u64 [%0], %1;" ::"l"(address + 8), "l"(note.call) : "memory");
}

__device__ inline uint64_t now_ns() {
  uint64_t ns;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(ns));
  return ns;
}

/// How long an exchange's waits may last.
class Patience {
 public:
  __device__ explicit Patience(uint64_t timeout_ns) : deadline_ns_(now_ns() + timeout_ns) {}

  /// Whether a wait for `peer` must end; reports it if it is the first.
  __device__ bool is_over(const Exchange& exchange, int peer, uint64_t call) const {
    if (load_word(&exchange.state->failed) != 0) {
      return true;
    }
    const bool aborted = load_word(&exchange.words->abort) != 0;
    if (!aborted && now_ns() < deadline_ns_) {
      return false;
    }
    report(exchange, aborted ? BANYAN_ERR_ABORTED : BANYAN_ERR_TIMEOUT, peer, call);
    return true;
  }

 private:
  __device__ static void report(const Exchange& exchange, banyan_status status, int peer, uint64_t call) {
    if (atomicExch(&exchange.state->failed, 1U) == 0) {
      HostWords& words = *exchange.words;
      words.status = status;
      words.peer = peer;
      words.call = call;
      __threadfence_system();
      asm volatile("st.release.sys.global.u32 [%0], %1;" ::"l"(&words.valid), "r"(1U) : "memory");
    }
  }

  uint64_t deadline_ns_;
};

/// Waits for the peer's note about this call. One thread.
__device__ inline bool await(const Exchange& exchange, const Patience& patience, const char* address, uint64_t call,
                             int peer, Note& note) {
  for (unsigned polls = 1;; ++polls) {
    asm volatile("ld.acquire.sys.global.u64 %0, [%1];" : "=l"(note.call) : "l"(address + 8) : "memory");
    if (note.call == call) {
      asm volatile("ld.relaxed.sys.global.u64 %0, [%1];" : "=l"(note.value) : "l"(address) : "memory");
      return true;
    }
    if (polls % kPollsPerLook == 0 && patience.is_over(exchange, peer, call)) {
      return false;
    }
  }
}

}  // namespace banyan::cuda
