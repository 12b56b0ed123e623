// SPDX-License-Identifier: Apache-2.0
// plugins/device/cuda/expert_dispatch.cu, as it is, for the emulated GPU.
#include "cuda/experts.cuh"
#include "emulation/device_code.hpp"

#define cudaLaunchKernel launch_emulated<ExpertDispatch>

#include "cuda/expert_dispatch.cu"
