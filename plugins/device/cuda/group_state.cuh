// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

/// What all kernels of a group share: words between ranks, and how its waits end.
namespace banyan::cuda {

/// A word about call n: a part of it has arrived, and of how many parts, or how much, below n.
struct Arrival {
  static constexpr int kPartsBits = 24;
  [[nodiscard]] static __host__ __device__ constexpr uint64_t word(uint64_t call, uint32_t parts) {
    return call << kPartsBits | parts;
  }
  [[nodiscard]] static __host__ __device__ constexpr uint64_t call(uint64_t word) { return word >> kPartsBits; }
  [[nodiscard]] static __host__ __device__ constexpr uint32_t parts(uint64_t word) {
    return static_cast<uint32_t>(word & ((uint64_t{1} << kPartsBits) - 1));
  }
};

/// Device memory of a group, read and written by its kernels alone.
struct GroupState {
  uint64_t calls;   ///< exchanges that are over
  uint32_t blocks;  ///< of the present one, those that are over
  uint32_t failed;  ///< no exchange does anything any more
};

/// Pinned host memory of a group, mapped.
struct HostWords {
  uint32_t abort;  ///< written by the host
  uint32_t valid;  ///< the report is whole
  int32_t status;
  int32_t peer;
  uint64_t call;
};

/// What a wait looks at.
struct Watch {
  GroupState* state;
  HostWords* words;
  uint64_t timeout_ns;
};

}  // namespace banyan::cuda
