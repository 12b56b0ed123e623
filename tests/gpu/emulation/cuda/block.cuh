// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "emulation/emulated_gpu.hpp"

/// As plugins/device/cuda/block.cuh, for a CPU.
namespace banyan::cuda {

template <int threads>
inline void sync_some() {
  emulation::sync_some(threads);
}

inline char* dynamic_shared() {
  alignas(128) static thread_local char memory[size_t{192} << 10];
  return memory;
}

}  // namespace banyan::cuda
