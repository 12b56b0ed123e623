// SPDX-License-Identifier: Apache-2.0
#include "transport/shm/remote_read.hpp"

#include <sys/types.h>
#include <sys/uio.h>

#include <cerrno>

namespace banyan::transport::shm {
namespace {

ssize_t read_once(int64_t pid, uint64_t address, void* target, size_t size) noexcept {
  const iovec local{target, size};
  const iovec remote{reinterpret_cast<void*>(address), size};
  return ::process_vm_readv(static_cast<pid_t>(pid), &local, 1, &remote, 1, 0);
}

/// The kernel's EFAULT does not say whose memory is missing; one byte into a good place does.
RemoteRead whose_fault(int64_t pid, uint64_t address) noexcept {
  char byte = 0;
  return read_once(pid, address, &byte, 1) == 1 ? RemoteRead::kBadTarget : RemoteRead::kBadSource;
}

}  // namespace

RemoteRead read_process(int64_t pid, uint64_t address, void* target, size_t size) noexcept {
  size_t done = 0;
  while (done < size) {
    const ssize_t got = read_once(pid, address + done, static_cast<std::byte*>(target) + done, size - done);
    if (got > 0) {
      done += static_cast<size_t>(got);
      continue;
    }
    switch (got == 0 ? EFAULT : errno) {
      case EINTR:
        continue;
      case ESRCH:
        return RemoteRead::kNoProcess;
      case EFAULT:
        return whose_fault(pid, address + done);
      case ENOMEM:
        return RemoteRead::kNoMemory;
      default:
        return RemoteRead::kNotPermitted;
    }
  }
  return RemoteRead::kDone;
}

}  // namespace banyan::transport::shm
