// SPDX-License-Identifier: Apache-2.0
#pragma once

/// What the threads of a block share. tests/gpu/emulation has the same for a CPU.
namespace banyan::cuda {

/// A barrier of so many threads: whole warps, the same ones each time.
template <int threads>
__device__ inline void sync_some() {
  asm volatile("bar.sync 1, %0;" ::"n"(threads) : "memory");
}

/// The memory of the launch's size.
__device__ inline char* dynamic_shared() {
  extern __shared__ __align__(128) char memory[];
  return memory;
}

}  // namespace banyan::cuda
