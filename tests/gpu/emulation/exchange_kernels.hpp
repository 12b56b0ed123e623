// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "emulation/emulated_gpu.hpp"

namespace banyan::emulation {

/// Where launch_exchange and the like go from now on; stream n is `stream_of(n)`.
void use(EmulatedGpu& gpu);
[[nodiscard]] void* stream_of(int number);

}  // namespace banyan::emulation
