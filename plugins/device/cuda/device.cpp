// SPDX-License-Identifier: Apache-2.0
#include "cuda/device.hpp"

#include <cuda.h>
#include <sys/random.h>

#include <cstdint>
#include <cstring>
#include <utility>

#include "cuda/failure.hpp"

namespace banyan::cuda {
namespace {

/// What export_address writes.
struct Exported {
  uint64_t process[2];  ///< its nonce: process ids may be equal in two containers
  uint64_t address;     ///< in that process
  uint64_t offset;      ///< from the allocation's start
  int32_t device;       ///< ordinal in that process
  cudaIpcMemHandle_t allocation;
};
static_assert(sizeof(Exported) <= BANYAN_DEVICE_MAX_HANDLE);

struct Nonce {
  uint64_t words[2];
};

/// Of this process.
const Nonce& nonce() {
  static const Nonce own = [] {
    Nonce fresh{};
    if (::getrandom(&fresh, sizeof(fresh), 0) != static_cast<ssize_t>(sizeof(fresh))) {
      throw Failure{BANYAN_ERR_IO, "getrandom gave no bytes"};
    }
    return fresh;
  }();
  return own;
}

/// Start and size of the allocation that holds an address of a device.
std::pair<void*, size_t> allocation_of(const void* address) {
  using GetAddressRange = CUresult (*)(CUdeviceptr*, size_t*, CUdeviceptr);
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found{};
  check(cudaGetDriverEntryPointByVersion("cuMemGetAddressRange", &function, 12000, cudaEnableDefault, &found),
        "asking the driver for cuMemGetAddressRange");
  CUdeviceptr base = 0;
  size_t size = 0;
  if (function == nullptr || reinterpret_cast<GetAddressRange>(function)(
                                 &base, &size, reinterpret_cast<CUdeviceptr>(address)) != CUDA_SUCCESS) {
    return {nullptr, 0};
  }
  return {reinterpret_cast<void*>(base), size};
}

}  // namespace

void inspect(const void* address, banyan_device_pointer& pointer) {
  cudaPointerAttributes attributes{};
  check(cudaPointerGetAttributes(&attributes, address), "inspecting a pointer");
  pointer.base = nullptr;
  pointer.size = 0;
  pointer.device = -1;
  pointer.kind = BANYAN_MEMORY_HOST;
  if (attributes.type == cudaMemoryTypeDevice || attributes.type == cudaMemoryTypeManaged) {
    const bool managed = attributes.type == cudaMemoryTypeManaged;
    pointer.kind = managed ? BANYAN_MEMORY_MANAGED : BANYAN_MEMORY_DEVICE;
    pointer.device = attributes.device;
    std::tie(pointer.base, pointer.size) = allocation_of(address);
  }
}

Device::Device(const banyan_device_config& config) : ordinal_(config.device), timeout_s_(config.timeout_s) {
  int count = 0;
  check(cudaGetDeviceCount(&count), "counting devices");
  if (ordinal_ < 0 || ordinal_ >= count) {
    throw Failure{BANYAN_ERR_INVALID_ARGUMENT, "device " + std::to_string(ordinal_) + " of " + std::to_string(count)};
  }
  const CurrentDevice current(ordinal_);
  check(cudaDeviceGetAttribute(&num_sms_, cudaDevAttrMultiProcessorCount, ordinal_), "counting multiprocessors");
}

Device::~Device() {
  for (const auto& [handle, allocation] : allocations_) {
    static_cast<void>(cudaIpcCloseMemHandle(allocation.base));
  }
}

void* Device::create_window(size_t bytes) const {
  const CurrentDevice current(ordinal_);
  void* base = nullptr;
  const std::string what = "a window of " + std::to_string(bytes) + " bytes on device " + std::to_string(ordinal_);
  check(cudaMalloc(&base, bytes), "allocating " + what);
  const cudaError_t cleared = cudaMemset(base, 0, bytes);
  const cudaError_t done = cleared == cudaSuccess ? cudaDeviceSynchronize() : cleared;
  if (done != cudaSuccess) {
    static_cast<void>(cudaFree(base));
    check(done, "clearing " + what);
  }
  return base;
}

void Device::free_window(void* base) const {
  const CurrentDevice current(ordinal_);
  check(cudaFree(base), "freeing a window");
}

std::string Device::export_address(const void* address) const {
  const CurrentDevice current(ordinal_);
  const auto [base, size] = allocation_of(address);
  if (base == nullptr) {
    throw Failure{BANYAN_ERR_INVALID_ARGUMENT, "the address to export is in no allocation of a device"};
  }
  Exported exported{};
  std::memcpy(exported.process, nonce().words, sizeof(exported.process));
  exported.address = reinterpret_cast<uint64_t>(address);
  exported.offset = exported.address - reinterpret_cast<uint64_t>(base);
  exported.device = ordinal_;
  check(cudaIpcGetMemHandle(&exported.allocation, base),
        "exporting an allocation of " + std::to_string(size) + " bytes (memory of cudaMalloc can be, of pools not)");
  std::string bytes(sizeof(exported), '\0');
  std::memcpy(bytes.data(), &exported, sizeof(exported));
  return bytes;
}

void Device::enable_peer(int device) const {
  if (device == ordinal_) {
    return;
  }
  int can = 0;
  check(cudaDeviceCanAccessPeer(&can, ordinal_, device), "asking for access to device " + std::to_string(device));
  if (can == 0) {
    throw Failure{BANYAN_ERR_NOT_SUPPORTED, "device " + std::to_string(ordinal_) + " cannot access device " +
                                                std::to_string(device) + "'s memory"};
  }
  const cudaError_t enabled = cudaDeviceEnablePeerAccess(device, 0);
  if (enabled == cudaErrorPeerAccessAlreadyEnabled) {
    static_cast<void>(cudaGetLastError());
    return;
  }
  check(enabled, "accessing device " + std::to_string(device));
}

Device::Mapping Device::map(const std::string& handle) {
  Exported exported{};
  if (handle.size() != sizeof(exported)) {
    throw Failure{BANYAN_ERR_INVALID_ARGUMENT, "a window's handle of " + std::to_string(handle.size()) + " bytes"};
  }
  std::memcpy(&exported, handle.data(), sizeof(exported));
  const CurrentDevice current(ordinal_);
  if (std::memcmp(exported.process, nonce().words, sizeof(exported.process)) == 0) {
    enable_peer(exported.device);
    return {reinterpret_cast<void*>(exported.address), nullptr};
  }
  const std::string key(exported.allocation.reserved, sizeof(exported.allocation.reserved));
  auto known = allocations_.find(key);
  if (known == allocations_.end()) {
    void* base = nullptr;
    check(cudaIpcOpenMemHandle(&base, exported.allocation, cudaIpcMemLazyEnablePeerAccess), "mapping a peer's memory");
    known = allocations_.emplace(key, Allocation{base, 0}).first;
  }
  ++known->second.users;
  return {static_cast<char*>(known->second.base) + exported.offset, known->second.base};
}

void Device::unmap(void* token) {
  for (auto entry = allocations_.begin(); entry != allocations_.end(); ++entry) {
    if (entry->second.base != token) {
      continue;
    }
    if (--entry->second.users == 0) {
      const CurrentDevice current(ordinal_);
      allocations_.erase(entry);
      check(cudaIpcCloseMemHandle(token), "unmapping a peer's memory");
    }
    return;
  }
}

}  // namespace banyan::cuda
