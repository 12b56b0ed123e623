// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "banyan/device_plugin.h"

namespace banyan::cuda {

/// One device of this process, and the memory of peers that is mapped for it. One thread.
class Device {
 public:
  explicit Device(const banyan_device_config& config);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  [[nodiscard]] int ordinal() const noexcept { return ordinal_; }
  [[nodiscard]] double timeout_s() const noexcept { return timeout_s_; }
  /// Streaming multiprocessors.
  [[nodiscard]] int num_sms() const noexcept { return num_sms_; }

  /// Zeroed.
  [[nodiscard]] void* create_window(size_t bytes) const;
  void free_window(void* base) const;

  /// What a peer needs to map `address`.
  [[nodiscard]] std::string export_address(const void* address) const;
  struct Mapping {
    void* address;  ///< what was exported
    void* token;    ///< for unmap
  };
  [[nodiscard]] Mapping map(const std::string& handle);
  void unmap(void* token);

 private:
  /// A mapped allocation of another process; several windows may lie in it.
  struct Allocation {
    void* base;
    int users;
  };

  void enable_peer(int device) const;

  int ordinal_;
  double timeout_s_;
  int num_sms_ = 0;
  std::map<std::string, Allocation> allocations_;  ///< by the driver's handle
};

/// As in banyan_device_ops.
void inspect(const void* address, banyan_device_pointer& pointer);

}  // namespace banyan::cuda
