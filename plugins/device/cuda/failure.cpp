// SPDX-License-Identifier: Apache-2.0
#include "cuda/failure.hpp"

#include <cuda.h>

namespace banyan::cuda {
namespace {

banyan_status status_of(cudaError_t error) {
  switch (error) {
    case cudaErrorMemoryAllocation:
      return BANYAN_ERR_NO_MEMORY;
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorPeerAccessUnsupported:
    case cudaErrorNotSupported:
    case cudaErrorSystemDriverMismatch:
    case cudaErrorStubLibrary:
      return BANYAN_ERR_NOT_SUPPORTED;
    case cudaErrorInvalidValue:
    case cudaErrorInvalidDevice:
    case cudaErrorInvalidResourceHandle:
      return BANYAN_ERR_INVALID_ARGUMENT;
    default:
      return BANYAN_ERR_IO;
  }
}

/// Whether the process uses the device already: making it current would make a context on it otherwise.
bool has_context(int device) {
  using GetState = CUresult (*)(CUdevice, unsigned*, int*);
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found{};
  if (cudaGetDriverEntryPointByVersion("cuDevicePrimaryCtxGetState", &function, 12000, cudaEnableDefault, &found) !=
          cudaSuccess ||
      function == nullptr) {
    return true;
  }
  unsigned flags = 0;
  int active = 0;
  return reinterpret_cast<GetState>(function)(device, &flags, &active) != CUDA_SUCCESS || active != 0;
}

}  // namespace

void check(cudaError_t error, const std::string& what) {
  if (error != cudaSuccess) {
    static_cast<void>(cudaGetLastError());  // this error is told; a later check must not find it again
    throw Failure{status_of(error), what + ": " + cudaGetErrorString(error) + " (" + cudaGetErrorName(error) + ")"};
  }
}

CurrentDevice::CurrentDevice(int device) {
  int before = 0;
  check(cudaGetDevice(&before), "asking for the current device");
  if (before != device) {
    check(cudaSetDevice(device), "using device " + std::to_string(device));
    before_ = has_context(before) ? before : -1;
  }
}

CurrentDevice::~CurrentDevice() {
  if (before_ >= 0) {
    static_cast<void>(cudaSetDevice(before_));
  }
}

}  // namespace banyan::cuda
