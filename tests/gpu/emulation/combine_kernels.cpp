// SPDX-License-Identifier: Apache-2.0
// plugins/device/cuda/combine.cu, as it is, for the emulated GPU.
#include "cuda/tokens.cuh"
#include "emulation/device_code.hpp"

#define cudaLaunchKernel launch_emulated<Combine>

#include "cuda/combine.cu"
