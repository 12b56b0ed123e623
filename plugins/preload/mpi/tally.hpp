// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace banyan::preload {

/// Where a call of the program went.
enum class Path : uint8_t {
  kBanyan,
  kMpi,  ///< a blocking call
  kMpiNonblocking,
  kMpiPersistent,  ///< counted when its request is made
};
constexpr size_t kNumPaths = 4;

/// Counts a call of this process. Any thread.
void count(Path path) noexcept;
/// Calls so far.
uint64_t counted(Path path) noexcept;

}  // namespace banyan::preload
