// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "emulation/emulated_gpu.hpp"

/// As plugins/device/cuda/words.cuh, for a CPU.
namespace banyan::cuda {

inline uint32_t load_word(const uint32_t* word) {
  emulation::yield();
  return *word;
}

inline uint64_t load_near(const uint64_t* word) {
  emulation::yield();
  return *word;
}
inline void store_near(uint64_t* word, uint64_t value) { *word = value; }
inline void store_word(char* address, uint64_t word) { *reinterpret_cast<uint64_t*>(address) = word; }

inline void store_pair(char* address, ulonglong2 pair) { *reinterpret_cast<ulonglong2*>(address) = pair; }
inline ulonglong2 load_pair(const char* address) {
  emulation::yield();
  return *reinterpret_cast<const ulonglong2*>(address);
}

inline void store_of_line(char* address, ulonglong2 pair) {
  emulation::at_once(8, [&] { *reinterpret_cast<ulonglong2*>(address) = pair; });
}
inline ulonglong2 load_of_line(const char* address) {
  ulonglong2 pair{};
  emulation::at_once(8, [&] { pair = *reinterpret_cast<const ulonglong2*>(address); });
  return pair;
}

inline void store_release(char* address, uint64_t word) { *reinterpret_cast<uint64_t*>(address) = word; }
inline void store_release(uint32_t* address, uint32_t word) { *address = word; }
inline uint64_t load_acquire(const char* address) {
  emulation::yield();
  return *reinterpret_cast<const uint64_t*>(address);
}

inline uint64_t now_ns() { return emulation::now(); }

}  // namespace banyan::cuda
