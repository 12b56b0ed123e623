// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>

#include "emulation/emulated_copies.hpp"
#include "emulation/emulated_gpu.hpp"

/// As plugins/device/cuda/bulk.cuh, for a CPU.
namespace banyan::cuda {

/// What a barrier's word holds.
struct Barrier {
  uint8_t phase, arrivals, left, unused;
  int32_t bytes;
};

inline Barrier barrier_of(const uint64_t* word) {
  Barrier barrier{};
  std::memcpy(&barrier, word, sizeof(barrier));
  return barrier;
}
/// So many threads and bytes more have come; negative bytes: are expected.
inline void advance_barrier(uint64_t* word, int arrived, int32_t bytes) {
  Barrier barrier = barrier_of(word);
  barrier.left = static_cast<uint8_t>(barrier.left - arrived);
  barrier.bytes -= bytes;
  if (barrier.left == 0 && barrier.bytes == 0) {
    barrier.phase ^= 1;
    barrier.left = barrier.arrivals;
  }
  std::memcpy(word, &barrier, sizeof(barrier));
}

inline void init_barrier(uint64_t* word, int arrivals) {
  const auto count = static_cast<uint8_t>(arrivals);
  const Barrier barrier{0, count, count, 0, 0};
  std::memcpy(word, &barrier, sizeof(barrier));
}
inline void arrive(uint64_t* word) { advance_barrier(word, 1, 0); }
inline void fence_barriers() {}

inline void bulk_load(char* to_shared, const char* from, uint32_t bytes, uint64_t* word) {
  const auto count = static_cast<int32_t>(bytes);
  advance_barrier(word, 1, -count);
  emulation::copy_in(to_shared, from, bytes, [word, count] { advance_barrier(word, 0, count); });
}

inline void await_phase(uint64_t* word, uint32_t phase) {
  while (barrier_of(word).phase == phase) {
    emulation::await_change(*word, *word);
  }
}

inline void bulk_store(char* to, const char* from_shared, uint32_t bytes) {
  emulation::copy_out(to, from_shared, bytes);
}
inline void commit_stores() { emulation::commit_copies(); }
template <int pending>
inline void await_stores_read() {
  emulation::await_copies_read(pending);
}
inline void order_bulk() {}
inline void await_stores() { emulation::await_copies(); }

}  // namespace banyan::cuda
