// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "banyan/device_plugin.h"

/// What a device plugin's table makes, as objects that end themselves. Control paths throw Error with the plugin's
/// text. One thread at a time for all of a device, unless a function says otherwise. Members outlive what is made of
/// them.
namespace banyan::device {

/// An open device of this process.
class Device {
 public:
  /// Opens. `ops` must have been checked (device/table.hpp). `timeout_s`: of every wait inside an exchange.
  Device(const banyan_device_ops& ops, int ordinal, double timeout_s);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  [[nodiscard]] const banyan_device_ops& ops() const noexcept { return ops_; }
  [[nodiscard]] int ordinal() const noexcept { return ordinal_; }
  [[nodiscard]] void* object() const noexcept { return object_; }

  /// Error{INVALID_ARGUMENT} "<name> is ..." unless this device can load and store at `address`.
  void require_pointer(const void* address, const char* name) const;
  /// Error{INVALID_ARGUMENT} unless `stream` is of this device.
  void require_stream(void* stream) const;

  /// It and its windows stay until the process ends: peers that cannot be asked may still write to them.
  static void keep(std::unique_ptr<Device> device) noexcept;

 private:
  const banyan_device_ops& ops_;
  int ordinal_;
  void* object_ = nullptr;
  Device* next_kept_ = nullptr;
};

/// Memory of the device that peers map, zeroed at first.
class Window {
 public:
  Window(Device& device, size_t size);
  ~Window();
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;

  [[nodiscard]] char* base() const noexcept { return static_cast<char*>(base_); }
  [[nodiscard]] size_t size() const noexcept { return size_; }
  /// Whether [address, address + bytes) lies in it.
  [[nodiscard]] bool holds(const void* address, size_t bytes) const noexcept;
  /// What a peer needs to map it.
  [[nodiscard]] std::string handle() const;
  /// The memory is left as it is; see Device::keep.
  void keep() noexcept { base_ = nullptr; }

 private:
  Device& device_;
  size_t size_;
  void* base_ = nullptr;
};

/// A window as mapped here, the own one too.
class Mapping {
 public:
  Mapping(Device& device, int peer, const std::string& handle);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  [[nodiscard]] void* address() const noexcept { return address_; }

 private:
  Device& device_;
  void* address_ = nullptr;
  void* mapping_ = nullptr;
};

/// One rank's part of a mapped group.
class Group {
 public:
  Group(Device& device, const banyan_device_group_config& config);
  ~Group();
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  [[nodiscard]] void* object() const noexcept { return object_; }
  void add_window(std::span<void* const> bases, size_t own_bytes);
  void exchange(std::span<const banyan_device_move> moves, void* stream);

  // Any thread.
  [[nodiscard]] banyan_device_failure failure() const;
  void abort() noexcept;
  /// One thread at a time.
  [[nodiscard]] std::string describe() const;

 private:
  Device& device_;
  void* object_ = nullptr;
};

/// One rank's part of a token exchange.
class Tokens {
 public:
  /// Error unless the terms are right.
  [[nodiscard]] static size_t area_bytes(const Device& device, int num_ranks,
                                         const banyan_device_tokens_config& config);

  Tokens(Device& device, Group& group, const banyan_device_tokens_config& config);
  ~Tokens();
  Tokens(const Tokens&) = delete;
  Tokens& operator=(const Tokens&) = delete;

  [[nodiscard]] banyan_device_received received() const;
  void dispatch(const banyan_device_dispatch& dispatch, void* stream);
  void combine(void* out, void* stream);

 private:
  Device& device_;
  void* object_ = nullptr;
};

/// One rank's part of a token exchange by experts, which older tables do not have.
class Experts {
 public:
  /// Error{NOT_SUPPORTED} if the plugin has none, INVALID_ARGUMENT where the terms are wrong.
  [[nodiscard]] static size_t area_bytes(const Device& device, int num_ranks,
                                         const banyan_device_experts_config& config);

  Experts(Device& device, Group& group, const banyan_device_experts_config& config);
  ~Experts();
  Experts(const Experts&) = delete;
  Experts& operator=(const Experts&) = delete;

  [[nodiscard]] banyan_device_expert_rows received() const;
  void dispatch(const banyan_device_dispatch& dispatch, void* stream);
  void combine(void* out, bool weighted, void* stream);

 private:
  Device& device_;
  void* object_ = nullptr;
};

}  // namespace banyan::device
