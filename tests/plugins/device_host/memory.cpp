// SPDX-License-Identifier: Apache-2.0
#include "memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

namespace banyan::fake_device {
namespace {

struct Allocation {
  size_t size;
  int fd;
  int ordinal;
};

/// Windows of this process, by address.
std::mutex allocations_lock;
std::map<uintptr_t, Allocation>& allocations() {
  static auto* const all = new std::map<uintptr_t, Allocation>;
  return *all;
}

thread_local int current_device = 0;

/// What export_address writes.
struct Exported {
  pid_t process;
  int fd;
  uint64_t address;
  uint64_t offset;
  uint64_t size;
};
static_assert(sizeof(Exported) <= BANYAN_DEVICE_MAX_HANDLE);

struct Mapped {
  void* base;
  size_t size;
};

[[noreturn]] void fail_with_errno(const std::string& what) {
  throw Failure{errno == ENOMEM ? BANYAN_ERR_NO_MEMORY : BANYAN_ERR_IO, what + ": " + std::strerror(errno)};
}

/// The allocation that holds the address, or its end.
auto holder_of(const void* address) {
  auto& all = allocations();
  const auto wanted = reinterpret_cast<uintptr_t>(address);
  const auto after = all.upper_bound(wanted);
  if (after == all.begin()) {
    return all.end();
  }
  const auto before = std::prev(after);
  return wanted - before->first < before->second.size ? before : all.end();
}

}  // namespace

void fail_on_request(const char* operation, int ordinal) {
  const char* const fault = std::getenv("FAKE_DEVICE_FAULT");
  const std::string here = std::string(operation) + ":" + std::to_string(ordinal);
  if (fault != nullptr && here == fault) {
    throw Failure{BANYAN_ERR_NOT_SUPPORTED, "device " + std::to_string(ordinal) + " refuses " + operation};
  }
}

int count_devices() {
  const char* const count = std::getenv("FAKE_DEVICE_COUNT");
  const int devices = count == nullptr ? 8 : std::atoi(count);
  if (devices == 0) {
    throw Failure{BANYAN_ERR_NOT_SUPPORTED, "there is no driver on this machine"};
  }
  return devices;
}

void inspect(const void* address, banyan_device_pointer& pointer) {
  const std::lock_guard<std::mutex> lock(allocations_lock);
  const auto found = holder_of(address);
  const bool known = found != allocations().end();
  pointer.kind = known ? BANYAN_MEMORY_DEVICE : BANYAN_MEMORY_HOST;
  pointer.device = known ? found->second.ordinal : -1;
  pointer.base = known ? reinterpret_cast<void*>(found->first) : nullptr;
  pointer.size = known ? found->second.size : 0;
}

int device_of_stream(void* stream) {
  return stream == nullptr ? current_device : static_cast<int>(reinterpret_cast<uintptr_t>(stream)) - 1;
}

Device::Device(const banyan_device_config& config) : ordinal_(config.device), timeout_s_(config.timeout_s) {
  const int devices = count_devices();
  if (ordinal_ < 0 || ordinal_ >= devices) {
    throw Failure{BANYAN_ERR_INVALID_ARGUMENT, "device " + std::to_string(ordinal_) + " of " + std::to_string(devices)};
  }
  fail_on_request("open", ordinal_);
  current_device = ordinal_;
}

Device::~Device() {
  if (num_windows_ != 0 || num_mappings_ != 0 || num_groups != 0) {
    std::fprintf(stderr, "device %d is closed with %d windows, %d mappings, %d groups\n", ordinal_, num_windows_,
                 num_mappings_, num_groups);
    std::abort();
  }
}

void* Device::create_window(size_t size) {
  fail_on_request("window", ordinal_);
  const int fd = ::memfd_create("banyan-fake-device", MFD_CLOEXEC);
  if (fd < 0) {
    fail_with_errno("memfd_create");
  }
  void* const base = ::ftruncate(fd, static_cast<off_t>(size)) == 0
                         ? ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                         : MAP_FAILED;
  if (base == MAP_FAILED) {
    const int error = errno;
    ::close(fd);
    errno = error;
    fail_with_errno("a window of " + std::to_string(size) + " bytes");
  }
  const std::lock_guard<std::mutex> lock(allocations_lock);
  allocations().emplace(reinterpret_cast<uintptr_t>(base), Allocation{size, fd, ordinal_});
  ++num_windows_;
  return base;
}

void Device::free_window(void* base) {
  const std::lock_guard<std::mutex> lock(allocations_lock);
  const auto found = allocations().find(reinterpret_cast<uintptr_t>(base));
  if (found == allocations().end()) {
    throw Failure{BANYAN_ERR_INVALID_ARGUMENT, "no window begins there"};
  }
  ::munmap(base, found->second.size);
  ::close(found->second.fd);
  allocations().erase(found);
  --num_windows_;
}

std::string Device::export_address(const void* address) const {
  fail_on_request("export", ordinal_);
  const std::lock_guard<std::mutex> lock(allocations_lock);
  const auto found = holder_of(address);
  if (found == allocations().end()) {
    throw Failure{BANYAN_ERR_INVALID_ARGUMENT, "the address to export is in no allocation of a device"};
  }
  Exported exported{};
  exported.process = ::getpid();
  exported.fd = found->second.fd;
  exported.address = reinterpret_cast<uint64_t>(address);
  exported.offset = exported.address - found->first;
  exported.size = found->second.size;
  std::string bytes(sizeof(exported), '\0');
  std::memcpy(bytes.data(), &exported, sizeof(exported));
  return bytes;
}

Device::Mapping Device::map(const std::string& handle) {
  fail_on_request("map", ordinal_);
  Exported exported{};
  if (handle.size() != sizeof(exported)) {
    throw Failure{BANYAN_ERR_INVALID_ARGUMENT, "a window's handle of " + std::to_string(handle.size()) + " bytes"};
  }
  std::memcpy(&exported, handle.data(), sizeof(exported));
  if (exported.process == ::getpid()) {
    return {reinterpret_cast<void*>(exported.address), nullptr};
  }
  const std::string path = "/proc/" + std::to_string(exported.process) + "/fd/" + std::to_string(exported.fd);
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) {
    fail_with_errno("opening " + path);
  }
  void* const base = ::mmap(nullptr, exported.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (base == MAP_FAILED) {
    fail_with_errno("mapping " + path);
  }
  ++num_mappings_;
  return {static_cast<char*>(base) + exported.offset, new Mapped{base, exported.size}};
}

void Device::unmap(void* token) {
  auto* const mapped = static_cast<Mapped*>(token);
  ::munmap(mapped->base, mapped->size);
  delete mapped;
  --num_mappings_;
}

}  // namespace banyan::fake_device
