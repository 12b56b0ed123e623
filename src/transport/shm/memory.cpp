// SPDX-License-Identifier: Apache-2.0
#include "transport/shm/memory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "base/error.hpp"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

namespace banyan::transport::shm {
namespace {

[[noreturn]] void fail_memory(const char* call, size_t size) {
  throw Error(BANYAN_ERR_NO_MEMORY, fmt::format("shm: {} of {} bytes: {}", call, size, std::strerror(errno)));
}

/// A small file of /proc, empty when it cannot be read.
std::string read_proc(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 1024> text{};
  const ssize_t size = fd ? ::read(fd.get(), text.data(), text.size()) : -1;
  return size > 0 ? std::string(text.data(), static_cast<size_t>(size)) : std::string{};
}

/// What the system can give without swapping or killing, bytes; no limit when it does not say.
size_t available_memory() {
  const std::string text = read_proc("/proc/meminfo");
  constexpr std::string_view kKey = "MemAvailable:";
  const size_t at = text.find(kKey);
  return at == std::string::npos ? SIZE_MAX : std::strtoull(text.c_str() + at + kKey.size(), nullptr, 10) << 10;
}

/// Takes the pages now: later there is nobody to tell that there are none. The kernel would rather kill processes than
/// refuse pages, so what is more than there is must not be asked for.
void allocate_pages(int fd, size_t offset, size_t size) {
  if (const size_t available = available_memory(); size > available) {
    throw Error(BANYAN_ERR_NO_MEMORY,
                fmt::format("shm: {} bytes of shared memory wanted, {} available", size, available));
  }
  while (::fallocate(fd, 0, static_cast<off_t>(offset), static_cast<off_t>(size)) != 0) {
    if (errno != EINTR) {
      fail_memory("fallocate", size);
    }
  }
}

struct stat status_of(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) {
    throw Error(BANYAN_ERR_IO, fmt::format("shm: fstat: {}", std::strerror(errno)));
  }
  return status;
}

}  // namespace

SharedMapping::SharedMapping(int fd, size_t offset, size_t size) : size_(size) {
  void* base = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, static_cast<off_t>(offset));
  if (base == MAP_FAILED) {
    fail_memory("mmap", size);
  }
  base_ = static_cast<std::byte*>(base);
}

SharedMapping::~SharedMapping() {
  if (base_ != nullptr) {
    ::munmap(base_, size_);
  }
}

Fd make_shared_memory(const char* name, size_t size) {
  const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  int raw = ::memfd_create(name, flags | MFD_NOEXEC_SEAL);
  if (raw < 0 && errno == EINVAL) {  // before Linux 6.3
    raw = ::memfd_create(name, flags);
  }
  Fd fd(raw);
  if (!fd || ::fchmod(fd.get(), S_IRUSR | S_IWUSR) != 0 || ::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) {
    fail_memory("memfd", size);
  }
  allocate_pages(fd.get(), 0, size);
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK) != 0) {
    fail_memory("sealing a memfd", size);
  }
  return fd;
}

size_t grow_shared_memory(int fd, size_t size) {
  const auto offset = static_cast<size_t>(status_of(fd).st_size);
  if (::ftruncate(fd, static_cast<off_t>(offset + size)) != 0) {
    fail_memory("ftruncate", offset + size);
  }
  allocate_pages(fd, offset, size);
  return offset;
}

MemoryAddress address_of_memory(int fd) {
  const struct stat status = status_of(fd);
  MemoryAddress address{};
  address.inode = status.st_ino;
  address.device = status.st_dev;
  address.size = static_cast<uint64_t>(status.st_size);
  address.pid = ::getpid();
  address.start_time = process_start_time(address.pid);
  address.fd = fd;
  return address;
}

Fd open_memory(const MemoryAddress& address) {
  const std::string path = fmt::format("/proc/{}/fd/{}", address.pid, address.fd);
  Fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) {
    throw Error(BANYAN_ERR_NOT_SUPPORTED, fmt::format("shm: cannot open {}: {}", path, std::strerror(errno)));
  }
  const struct stat status = status_of(fd.get());
  const int seals = ::fcntl(fd.get(), F_GET_SEALS);
  if (status.st_ino != address.inode || status.st_dev != address.device ||
      static_cast<uint64_t>(status.st_size) < address.size || seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
    throw Error(BANYAN_ERR_NOT_FOUND, fmt::format("shm: {} is not the memory of the peer", path));
  }
  return fd;
}

HostIdentity host_identity() {
  HostIdentity identity{};
  std::string digits = read_proc("/proc/sys/kernel/random/boot_id");
  std::erase_if(digits, [](char c) { return std::strchr("0123456789abcdef", c) == nullptr; });
  if (digits.size() != 32) {
    throw Error(BANYAN_ERR_NOT_SUPPORTED, "shm: cannot read /proc/sys/kernel/random/boot_id");
  }
  identity.boot_id[0] = std::strtoull(digits.substr(0, 16).c_str(), nullptr, 16);
  identity.boot_id[1] = std::strtoull(digits.substr(16).c_str(), nullptr, 16);
  struct stat status {};
  if (::stat("/proc/self/ns/pid", &status) != 0) {
    throw Error(BANYAN_ERR_NOT_SUPPORTED, fmt::format("shm: /proc/self/ns/pid: {}", std::strerror(errno)));
  }
  identity.pid_namespace = status.st_ino;
  return identity;
}

uint64_t process_start_time(int64_t pid) {
  const std::string text = read_proc(fmt::format("/proc/{}/stat", pid));
  // The second field is the program's name in parentheses and may hold anything; the 22nd is the start time.
  size_t at = text.rfind(')');
  for (int field = 2; field < 22 && at != std::string::npos; ++field) {
    at = text.find(' ', at + 1);
  }
  return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at, nullptr, 10);
}

Fd watch_process(int64_t pid, uint64_t start_time) {
  Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0)));
  if (!fd) {
    const banyan_status status = errno == ESRCH ? BANYAN_ERR_NOT_FOUND : BANYAN_ERR_NO_MEMORY;
    throw Error(status, fmt::format("shm: pidfd_open of process {}: {}", pid, std::strerror(errno)));
  }
  if (process_start_time(pid) != start_time) {
    throw Error(BANYAN_ERR_NOT_FOUND, fmt::format("shm: process {} is no longer the peer's", pid));
  }
  return fd;
}

}  // namespace banyan::transport::shm
