// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "base/fd.hpp"

namespace banyan::transport::shm {

/// A range of shared memory, unmapped at the end. Movable.
class SharedMapping {
 public:
  SharedMapping() = default;
  /// Error{NO_MEMORY} with errno.
  SharedMapping(int fd, size_t offset, size_t size);
  ~SharedMapping();
  SharedMapping(SharedMapping&& other) noexcept
      : base_(std::exchange(other.base_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  SharedMapping& operator=(SharedMapping&& other) noexcept {
    std::swap(base_, other.base_);
    std::swap(size_, other.size_);
    return *this;
  }

  [[nodiscard]] std::byte* base() const noexcept { return base_; }
  [[nodiscard]] size_t size() const noexcept { return size_; }

 private:
  std::byte* base_ = nullptr;
  size_t size_ = 0;
};

/// Anonymous shared memory that can grow but never shrink, so that touching a mapping cannot raise SIGBUS.
/// Error{NO_MEMORY} with errno.
[[nodiscard]] Fd make_shared_memory(const char* name, size_t size);
/// Adds `size` bytes at the end and gives their offset.
[[nodiscard]] size_t grow_shared_memory(int fd, size_t size);

/// How another process finds shared memory of this one: through /proc/<pid>/fd/<fd>. A plain value that travels.
struct MemoryAddress {
  uint64_t inode;
  uint64_t device;
  uint64_t size;
  int64_t pid;
  uint64_t start_time;  ///< of the process, clock ticks since boot: tells a pid from its next owner
  int32_t fd;
  int32_t reserved;

  bool operator==(const MemoryAddress&) const = default;
};

[[nodiscard]] MemoryAddress address_of_memory(int fd);
/// Opens and checks identity, size and seal. Error{NOT_SUPPORTED} when the process's descriptors cannot be reached from
/// here, Error{NOT_FOUND} when what is there is something else.
[[nodiscard]] Fd open_memory(const MemoryAddress& address);

/// Where pids mean the same: equal for two processes that may share memory this way.
struct HostIdentity {
  uint64_t boot_id[2];
  uint64_t pid_namespace;

  bool operator==(const HostIdentity&) const = default;
};
[[nodiscard]] HostIdentity host_identity();

/// Start time of a live process, 0 when there is none.
[[nodiscard]] uint64_t process_start_time(int64_t pid);
/// A descriptor that polls readable once the process died. Error{NOT_FOUND} when it is gone or is another by now.
[[nodiscard]] Fd watch_process(int64_t pid, uint64_t start_time);

}  // namespace banyan::transport::shm
