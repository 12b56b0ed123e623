// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>

#include <string>

#include "banyan/status.h"

namespace banyan::cuda {

/// What every operation throws; turned into a status and a text at the C boundary.
struct Failure {
  banyan_status status;
  std::string text;
};

/// Throws unless `error` is success; `what` says what was tried, as in "mapping rank 3's window".
void check(cudaError_t error, const std::string& what);

/// Makes a device the thread's current one for a while; the one before again, where the process used it.
class CurrentDevice {
 public:
  explicit CurrentDevice(int device);
  ~CurrentDevice();
  CurrentDevice(const CurrentDevice&) = delete;
  CurrentDevice& operator=(const CurrentDevice&) = delete;

 private:
  int before_ = -1;  ///< to be current again; negative: none
};

}  // namespace banyan::cuda
