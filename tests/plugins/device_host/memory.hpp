// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "banyan/device_plugin.h"

/// A device plugin for tests without a GPU: devices are made up, their memory is shared memory of this host, and what
/// is enqueued runs at once, in the call. Data really moves, between threads and between processes.
///
/// FAKE_DEVICE_COUNT: how many devices there are, default 8; 0: as without a driver. FAKE_DEVICE_FAULT: "map:1" lets
/// that operation fail on device 1; operations are open, window, export, map, group, add_window, tokens. A stream is
/// the number of its device plus one; NULL is the default stream of the device that the thread opened last.
namespace banyan::fake_device {

/// What operations throw; a status and a text at the C boundary.
struct Failure {
  banyan_status status;
  std::string text;
};

/// Throws if FAKE_DEVICE_FAULT says so.
void fail_on_request(const char* operation, int ordinal);
[[nodiscard]] int count_devices();
/// Fills kind, device, base and size.
void inspect(const void* address, banyan_device_pointer& pointer);
[[nodiscard]] int device_of_stream(void* stream);

/// What belongs to a device is counted: close ends the program if something is left, which a caller must not do.
class Device {
 public:
  explicit Device(const banyan_device_config& config);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  [[nodiscard]] int ordinal() const noexcept { return ordinal_; }
  [[nodiscard]] double timeout_s() const noexcept { return timeout_s_; }

  [[nodiscard]] void* create_window(size_t size);
  void free_window(void* base);
  [[nodiscard]] std::string export_address(const void* address) const;
  struct Mapping {
    void* address;
    void* token;  ///< null: memory of this process
  };
  [[nodiscard]] Mapping map(const std::string& handle);
  void unmap(void* token);

  int num_groups = 0;  ///< kept by the groups

 private:
  int ordinal_;
  double timeout_s_;
  int num_windows_ = 0;
  int num_mappings_ = 0;
};

}  // namespace banyan::fake_device
