// SPDX-License-Identifier: Apache-2.0
// plugins/device/cuda/exchange.cu, as it is, for the emulated GPU.
#include "emulation/exchange_kernels.hpp"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <utility>

#include "cuda/exchange.cuh"

#undef __shared__
#undef __launch_bounds__
#undef __grid_constant__
#define __shared__ static thread_local
#define __launch_bounds__(...)
#define __grid_constant__
#define threadIdx (::banyan::emulation::here().thread)
#define blockIdx (::banyan::emulation::here().block)
#define blockDim (::banyan::emulation::here().block_size)
#define gridDim (::banyan::emulation::here().grid_size)

namespace banyan::cuda {
namespace {

using emulation::collect;
using emulation::Collective;

void __syncthreads() { emulation::sync_block(); }
void __syncwarp() { static_cast<void>(collect(Collective::kSync, 0)); }
void __threadfence_system() {}

bool __all_sync(unsigned, bool value) {
  const uint64_t* const values = collect(Collective::kAll, value ? 1 : 0);
  return std::all_of(values, values + emulation::kWarp, [](uint64_t one) { return one != 0; });
}

bool __any_sync(unsigned, bool value) {
  const uint64_t* const values = collect(Collective::kAny, value ? 1 : 0);
  return std::any_of(values, values + emulation::kWarp, [](uint64_t one) { return one != 0; });
}

uint64_t __shfl_sync(unsigned, uint64_t value, int lane, int width) {
  const auto own = static_cast<int>(threadIdx.x % emulation::kWarp);
  return collect(Collective::kShuffle, value)[own / width * width + lane];
}

uint32_t atomicExch(uint32_t* word, uint32_t value) { return std::exchange(*word, value); }
uint32_t atomicAdd(uint32_t* word, uint32_t value) { return std::exchange(*word, *word + value); }

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void (*)(Exchange), int, size_t) {
  *blocks = kBlocksOfSm;
  return cudaSuccess;
}

}  // namespace
}  // namespace banyan::cuda

#include "cuda/exchange.cu"

#undef blockDim
#undef gridDim

namespace banyan::emulation {
namespace {

EmulatedGpu* used = nullptr;

}  // namespace

void use(EmulatedGpu& gpu) { used = &gpu; }
void* stream_of(int number) { return reinterpret_cast<void*>(static_cast<uintptr_t>(number) + 1); }

}  // namespace banyan::emulation

extern "C" cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** arguments, size_t,
                                        cudaStream_t stream) {
  const auto kernel = reinterpret_cast<void (*)(banyan::cuda::Exchange)>(const_cast<void*>(function));
  const auto exchange = *static_cast<const banyan::cuda::Exchange*>(arguments[0]);
  const int number = static_cast<int>(reinterpret_cast<uintptr_t>(stream)) - 1;
  banyan::emulation::used->launch(number, grid.x, block.x, [kernel, exchange] { kernel(exchange); });
  return cudaSuccess;
}

extern "C" cudaError_t cudaFuncGetAttributes(cudaFuncAttributes*, const void*) { return cudaSuccess; }
