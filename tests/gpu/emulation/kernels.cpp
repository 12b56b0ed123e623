// SPDX-License-Identifier: Apache-2.0
#include "emulation/kernels.hpp"

#include <cuda_runtime_api.h>

#include <cstdint>

namespace banyan::emulation {
namespace {

EmulatedGpu* current = nullptr;

}  // namespace

void use(EmulatedGpu& gpu) { current = &gpu; }
EmulatedGpu& used() { return *current; }
void* stream_of(int number) { return reinterpret_cast<void*>(static_cast<uintptr_t>(number) + 1); }
int number_of(const void* stream) { return static_cast<int>(reinterpret_cast<uintptr_t>(stream)) - 1; }

}  // namespace banyan::emulation

extern "C" cudaError_t cudaFuncGetAttributes(cudaFuncAttributes*, const void*) { return cudaSuccess; }
extern "C" cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute, int) { return cudaSuccess; }
