// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace banyan::cuda {

/// Ranks, a bit each.
struct RankBits {
  uint64_t low, high;

  __device__ void add(int rank) {
    low |= rank < 64 ? uint64_t{1} << rank : 0;
    high |= rank < 64 ? 0 : uint64_t{1} << (rank - 64);
  }
  [[nodiscard]] __device__ bool has(int rank) const {
    return ((rank < 64 ? low >> rank : high >> (rank - 64)) & 1) != 0;
  }
  [[nodiscard]] __device__ bool any() const { return (low | high) != 0; }
  /// The lowest one, and not again; there is one.
  __device__ int take() {
    const bool is_low = low != 0;
    uint64_t& half = is_low ? low : high;
    const int rank = __ffsll(static_cast<long long>(half)) - 1 + (is_low ? 0 : 64);
    half &= half - 1;
    return rank;
  }
};

}  // namespace banyan::cuda
