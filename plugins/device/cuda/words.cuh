// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

/// Accesses to memory that peers access too, and the clock. tests/gpu/emulation has the same for a CPU.
namespace banyan::cuda {

__device__ inline uint32_t load_word(const uint32_t* word) {
  uint32_t value;
  asm volatile("ld.relaxed.sys.global.u32 %0, [%1];" : "=r"(value) : "l"(word) : "memory");
  return value;
}

/// Of blocks of one kernel; order nothing.
__device__ inline uint64_t load_near(const uint64_t* word) {
  uint64_t value;
  asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];" : "=l"(value) : "l"(word) : "memory");
  return value;
}
__device__ inline void store_near(uint64_t* word, uint64_t value) {
  asm volatile("st.relaxed.gpu.global.u64 [%0], %1;" ::"l"(word), "l"(value) : "memory");
}

/// A word that says all by itself, for a peer.
__device__ inline void store_word(char* address, uint64_t word) {
  asm volatile("st.relaxed.sys.global.u64 [%0], %1;" ::"l"(address), "l"(word) : "memory");
}

/// Both in one access of 16 bytes.
__device__ inline void store_pair(char* address, ulonglong2 pair) {
  asm volatile("st.relaxed.sys.global.v2.u64 [%0], {%1, %2};" ::"l"(address), "l"(pair.x), "l"(pair.y) : "memory");
}
__device__ inline ulonglong2 load_pair(const char* address) {
  ulonglong2 pair;
  asm volatile("ld.relaxed.sys.global.v2.u64 {%0, %1}, [%2];" : "=l"(pair.x), "=l"(pair.y) : "l"(address) : "memory");
  return pair;
}

/// Of a line of 128 bytes the part of one of eight neighbouring lanes, which make one access of theirs.
__device__ inline void store_of_line(char* address, ulonglong2 pair) { store_pair(address, pair); }
__device__ inline ulonglong2 load_of_line(const char* address) { return load_pair(address); }

/// Who sees it with an acquire sees what this thread stored, or knew of, before.
__device__ inline void store_release(char* address, uint64_t word) {
  asm volatile("st.release.sys.global.u64 [%0], %1;" ::"l"(address), "l"(word) : "memory");
}
__device__ inline void store_release(uint32_t* address, uint32_t word) {
  asm volatile("st.release.sys.global.u32 [%0], %1;" ::"l"(address), "r"(word) : "memory");
}
__device__ inline uint64_t load_acquire(const char* address) {
  uint64_t word;
  asm volatile("ld.acquire.sys.global.u64 %0, [%1];" : "=l"(word) : "l"(address) : "memory");
  return word;
}

__device__ inline uint64_t now_ns() {
  uint64_t ns;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(ns));
  return ns;
}

}  // namespace banyan::cuda
