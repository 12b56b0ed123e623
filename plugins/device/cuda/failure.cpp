// SPDX-License-Identifier: Apache-2.0
#include "cuda/failure.hpp"

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

}  // namespace

void check(cudaError_t error, const std::string& what) {
  if (error != cudaSuccess) {
    static_cast<void>(cudaGetLastError());  // this error is told; a later check must not find it again
    throw Failure{status_of(error), what + ": " + cudaGetErrorString(error) + " (" + cudaGetErrorName(error) + ")"};
  }
}

CurrentDevice::CurrentDevice(int device) : now_(device) {
  check(cudaGetDevice(&before_), "asking for the current device");
  if (before_ != now_) {
    check(cudaSetDevice(now_), "using device " + std::to_string(now_));
  }
}

CurrentDevice::~CurrentDevice() {
  if (before_ != now_) {
    static_cast<void>(cudaSetDevice(before_));
  }
}

}  // namespace banyan::cuda
