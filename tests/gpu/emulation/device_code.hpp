// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a file of device code needs to be compiled for the emulated GPU: include this, say what the kernels take by
// #define cudaLaunchKernel launch_emulated<TYPE>, and include the file.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "emulation/kernels.hpp"

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
int __syncthreads_and(int value) { return emulation::sync_block_and(value != 0) ? 1 : 0; }
void __syncwarp() { static_cast<void>(collect(Collective::kSync, 0)); }
void __threadfence() {}
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

/// The lanes whose value is `value`.
unsigned lanes_with(const uint64_t* values, uint64_t value) {
  unsigned lanes = 0;
  for (unsigned lane = 0; lane < emulation::kWarp; ++lane) {
    lanes |= values[lane] == value ? 1U << lane : 0U;
  }
  return lanes;
}
unsigned __ballot_sync(unsigned, bool value) { return lanes_with(collect(Collective::kBallot, value ? 1 : 0), 1); }
unsigned __match_any_sync(unsigned, int value) {
  const uint64_t own = static_cast<uint32_t>(value);
  return lanes_with(collect(Collective::kMatch, own), own);
}

int __ffsll(long long bits) { return __builtin_ffsll(bits); }
int __popc(unsigned bits) { return __builtin_popcount(bits); }
int __popcll(uint64_t bits) { return __builtin_popcountll(bits); }
float __uint_as_float(uint32_t bits) {
  float number = 0;
  std::memcpy(&number, &bits, sizeof(number));
  return number;
}
uint32_t __float_as_uint(float number) {
  uint32_t bits = 0;
  std::memcpy(&bits, &number, sizeof(bits));
  return bits;
}
float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }

uint32_t atomicExch(uint32_t* word, uint32_t value) { return std::exchange(*word, value); }
uint32_t atomicAdd(uint32_t* word, uint32_t value) { return std::exchange(*word, *word + value); }
template <typename Number>
Number atomicMax(Number* word, Number value) {
  return std::exchange(*word, std::max(*word, value));
}

/// Kernels have one argument.
template <typename Argument>
cudaError_t launch_emulated(const void* function, dim3 grid, dim3 block, void** arguments, size_t,
                            cudaStream_t stream) {
  const auto kernel = reinterpret_cast<void (*)(Argument)>(const_cast<void*>(function));
  const auto argument = *static_cast<const Argument*>(arguments[0]);
  emulation::used().launch(emulation::number_of(stream), grid.x, block.x, [kernel, argument] { kernel(argument); });
  return cudaSuccess;
}

}  // namespace
}  // namespace banyan::cuda
