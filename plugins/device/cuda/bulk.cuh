// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

/// Copies by the bulk copy engine of a multiprocessor (PTX ISA, cp.async.bulk; sm_90). Addresses and sizes are
/// multiples of 16. Stores of a pipeline are one thread's.
namespace banyan::cuda {

__device__ inline uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

/// A barrier whose phase ends when so many threads have arrived, and the bytes that they announced. A load arrives.
__device__ inline void init_barrier(uint64_t* barrier, int arrivals) {
  asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals) : "memory");
}
__device__ inline void arrive(uint64_t* barrier) {
  asm volatile("mbarrier.arrive.shared.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}
/// After all init_barrier: the copy engine sees them.
__device__ inline void fence_barriers() {
  asm volatile("fence.mbarrier_init.release.cluster; fence.proxy.async.shared::cta;" ::: "memory");
}

__device__ inline void bulk_load(char* to_shared, const char* from, uint32_t bytes, uint64_t* barrier) {
  asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes)
               : "memory");
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
                   shared_address(to_shared)),
               "l"(from), "r"(bytes), "r"(shared_address(barrier))
               : "memory");
}

/// Waits for the end of a phase; they alternate, from 0 on.
__device__ inline void await_phase(uint64_t* barrier, uint32_t phase) {
  uint32_t done = 0;
  while (done == 0) {
    asm volatile(
        "{\n"
        ".reg .pred there;\n"
        "mbarrier.try_wait.parity.shared.b64 there, [%1], %2;\n"
        "selp.u32 %0, 1, 0, there;\n"
        "}"
        : "=r"(done)
        : "r"(shared_address(barrier)), "r"(phase)
        : "memory");
  }
}

__device__ inline void bulk_store(char* to, const char* from_shared, uint32_t bytes) {
  asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(to),
               "r"(shared_address(from_shared)), "r"(bytes)
               : "memory");
}
/// Ends a group of stores.
__device__ inline void commit_stores() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }
/// Until at most `pending` groups still read shared memory.
template <int pending>
__device__ inline void await_stores_read() {
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(pending) : "memory");
}
/// Between what this thread knows of and copies of the engine: those after it come after what was before.
__device__ inline void order_bulk() { asm volatile("fence.proxy.async;" ::: "memory"); }
/// Until all stores have been made; what this thread releases afterwards includes them.
__device__ inline void await_stores() {
  asm volatile("cp.async.bulk.wait_group 0;" ::: "memory");
  order_bulk();
}

}  // namespace banyan::cuda
