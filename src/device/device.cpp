// SPDX-License-Identifier: Apache-2.0
#include "device/device.hpp"

#include <array>
#include <atomic>
#include <cstdint>

#include "base/error.hpp"
#include "base/log.hpp"
#include "device/table.hpp"

namespace banyan::device {
namespace {

/// Reachable for leak checkers.
std::atomic<Device*> kept_devices{nullptr};

void warn_unless_ok(const banyan_device_ops& ops, banyan_status status, const char* what) noexcept {
  if (status != BANYAN_OK) {
    BANYAN_LOG(kWarn, "device", "{}: {}: {}", ops.name, what, ops.last_error());
  }
}

}  // namespace

Device::Device(const banyan_device_ops& ops, int ordinal, double timeout_s) : ops_(ops), ordinal_(ordinal) {
  const banyan_device_config config{sizeof(config), ordinal, timeout_s};
  check(ops_, ops_.open(&config, &object_), "opening device " + std::to_string(ordinal));
}

Device::~Device() { ops_.close(object_); }

void Device::require_pointer(const void* address, const char* name) const {
  banyan_device_pointer pointer{};
  pointer.struct_size = sizeof(pointer);
  check(ops_, ops_.inspect(address, &pointer), std::string("inspecting ") + name);
  if (pointer.kind == BANYAN_MEMORY_HOST) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, std::string(name) + " is host memory, it must be memory of device " +
                                                 std::to_string(ordinal_) + "; copy it there first");
  }
  if (pointer.kind == BANYAN_MEMORY_DEVICE && pointer.device != ordinal_) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, std::string(name) + " is memory of device " +
                                                 std::to_string(pointer.device) + ", the group's is device " +
                                                 std::to_string(ordinal_));
  }
}

void Device::require_stream(void* stream) const {
  int of = -1;
  check(ops_, ops_.stream_device(stream, &of), "asking for the stream's device");
  if (of >= 0 && of != ordinal_) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                "stream is of device " + std::to_string(of) + ", the group's is device " + std::to_string(ordinal_) +
                    (stream == nullptr ? "; NULL is the default stream of this thread's current device" : ""));
  }
}

void Device::keep(std::unique_ptr<Device> device) noexcept {
  Device* const kept = device.release();
  kept->next_kept_ = kept_devices.load(std::memory_order_relaxed);
  while (!kept_devices.compare_exchange_weak(kept->next_kept_, kept, std::memory_order_release,
                                             std::memory_order_relaxed)) {
  }
}

Window::Window(Device& device, size_t size) : device_(device), size_(size) {
  const banyan_device_ops& ops = device_.ops();
  check(ops, ops.window_create(device_.object(), size, &base_),
        "allocating " + std::to_string(size) + " bytes that peers map");
}

Window::~Window() {
  if (base_ != nullptr) {
    const banyan_device_ops& ops = device_.ops();
    warn_unless_ok(ops, ops.window_free(device_.object(), base_), "freeing a window");
  }
}

bool Window::holds(const void* address, size_t bytes) const noexcept {
  const auto first = reinterpret_cast<uintptr_t>(base_);
  const auto wanted = reinterpret_cast<uintptr_t>(address);
  return wanted >= first && wanted - first <= size_ && bytes <= size_ - (wanted - first);
}

std::string Window::handle() const {
  const banyan_device_ops& ops = device_.ops();
  std::array<char, BANYAN_DEVICE_MAX_HANDLE> bytes{};
  size_t size = bytes.size();
  check(ops, ops.window_export(device_.object(), base_, bytes.data(), &size), "exporting a window");
  BANYAN_CHECK(size <= bytes.size(), "a handle of " + std::to_string(size) + " bytes");
  return {bytes.data(), size};
}

Mapping::Mapping(Device& device, int peer, const std::string& handle) : device_(device) {
  const banyan_device_ops& ops = device_.ops();
  check(ops, ops.window_map(device_.object(), handle.data(), handle.size(), &address_, &mapping_),
        "mapping the memory of rank " + std::to_string(peer));
}

Mapping::~Mapping() {
  const banyan_device_ops& ops = device_.ops();
  if (mapping_ != nullptr) {  // memory of this process needs none
    warn_unless_ok(ops, ops.window_unmap(device_.object(), mapping_), "unmapping a window");
  }
}

Group::Group(Device& device, const banyan_device_group_config& config) : device_(device) {
  const banyan_device_ops& ops = device_.ops();
  check(ops, ops.group_create(device_.object(), &config, &object_), "making the mapped group");
}

Group::~Group() { device_.ops().group_free(object_); }

void Group::add_window(std::span<void* const> bases, size_t own_bytes) {
  const banyan_device_ops& ops = device_.ops();
  check(ops, ops.group_add_window(object_, bases.data(), own_bytes), "registering a window");
}

void Group::exchange(std::span<const banyan_device_move> moves, void* stream) {
  const banyan_device_ops& ops = device_.ops();
  check(ops, ops.exchange(object_, moves.data(), stream), "enqueuing an exchange");
}

banyan_device_failure Group::failure() const {
  const banyan_device_ops& ops = device_.ops();
  banyan_device_failure failure{};
  failure.struct_size = sizeof(failure);
  check(ops, ops.group_failure(object_, &failure), "asking for failures");
  return failure;
}

void Group::abort() noexcept { device_.ops().group_abort(object_); }

std::string Group::describe() const {
  const banyan_device_ops& ops = device_.ops();
  std::array<char, 1024> text{};
  const banyan_status status = ops.group_describe(object_, text.data(), text.size());
  return status == BANYAN_OK ? text.data() : ops.last_error();
}

size_t Tokens::area_bytes(const Device& device, int num_ranks, const banyan_device_tokens_config& config) {
  const size_t bytes = device.ops().tokens_area_bytes(num_ranks, &config);
  check(device.ops(), bytes > 0 ? BANYAN_OK : BANYAN_ERR_INVALID_ARGUMENT, "terms of a token exchange");
  return bytes;
}

Tokens::Tokens(Device& device, Group& group, const banyan_device_tokens_config& config) : device_(device) {
  const banyan_device_ops& ops = device_.ops();
  check(ops, ops.tokens_create(group.object(), &config, &object_), "making the token exchange");
}

Tokens::~Tokens() { device_.ops().tokens_free(object_); }

banyan_device_received Tokens::received() const {
  const banyan_device_ops& ops = device_.ops();
  banyan_device_received received{};
  received.struct_size = sizeof(received);
  check(ops, ops.tokens_received(object_, &received), "asking where tokens arrive");
  return received;
}

void Tokens::dispatch(const banyan_device_dispatch& dispatch, void* stream) {
  const banyan_device_ops& ops = device_.ops();
  check(ops, ops.tokens_dispatch(object_, &dispatch, stream), "enqueuing a dispatch");
}

void Tokens::combine(void* out, void* stream) {
  const banyan_device_ops& ops = device_.ops();
  check(ops, ops.tokens_combine(object_, out, stream), "enqueuing a combine");
}

}  // namespace banyan::device
