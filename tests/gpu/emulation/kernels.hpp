// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "emulation/emulated_gpu.hpp"

namespace banyan::emulation {

/// Where launch_exchange and the like go from now on; stream n is `stream_of(n)`.
void use(EmulatedGpu& gpu);
[[nodiscard]] EmulatedGpu& used();
[[nodiscard]] void* stream_of(int number);
[[nodiscard]] int number_of(const void* stream);

}  // namespace banyan::emulation
