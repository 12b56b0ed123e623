// SPDX-License-Identifier: Apache-2.0
// plugins/device/cuda/exchange.cu, as it is, for the emulated GPU.
#include "cuda/exchange.cuh"
#include "emulation/device_code.hpp"

namespace banyan::cuda {
namespace {

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void (*)(Exchange), int, size_t) {
  *blocks = kBlocksOfSm;
  return cudaSuccess;
}

}  // namespace
}  // namespace banyan::cuda

#define cudaLaunchKernel launch_emulated<Exchange>

#include "cuda/exchange.cu"
