// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace banyan::gpu_test {

/// A permutation of 64 bits without a pattern (splitmix64).
[[nodiscard]] constexpr uint64_t mixed(uint64_t x) {
  x += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

}  // namespace banyan::gpu_test
