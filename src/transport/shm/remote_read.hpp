// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace banyan::transport::shm {

/// How reading another process's memory ended.
enum class RemoteRead {
  kDone,
  kNoProcess,     ///< it is gone
  kNotPermitted,  ///< the system does not allow it (ptrace rules, seccomp)
  kBadSource,     ///< the other process has no memory there
  kBadTarget,     ///< this process has no writable memory there
  kNoMemory,
};

/// Reads `size` bytes at `address` of process `pid` into `target` by process_vm_readv. Not trusted to be atomic.
[[nodiscard]] RemoteRead read_process(int64_t pid, uint64_t address, void* target, size_t size) noexcept;

}  // namespace banyan::transport::shm
