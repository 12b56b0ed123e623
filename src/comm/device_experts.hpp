// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "comm/device_group.hpp"

namespace banyan::comm {

/// A token exchange by experts of a device group (banyan/device_plugin.h). One thread at a time, the communicator's.
class DeviceExperts {
 public:
  /// Collective. `config`: all but `tokens.areas`; what it points to is borrowed for the call. `problem`: what is wrong
  /// with it already. Error on all ranks: INVALID_ARGUMENT, MISMATCH, or what failed on the first rank that failed.
  DeviceExperts(DeviceGroup& group, banyan_device_experts_config config, const std::string& problem);
  /// Collective; the caller has synchronised with what was enqueued.
  ~DeviceExperts();
  DeviceExperts(const DeviceExperts&) = delete;
  DeviceExperts& operator=(const DeviceExperts&) = delete;

  [[nodiscard]] banyan_device_expert_rows received() const { return experts_->received(); }
  /// Enqueue; nothing is enqueued when they throw.
  void dispatch(const banyan_device_dispatch& dispatch, void* stream);
  void combine(void* out, bool weighted, void* stream);

 private:
  DeviceGroup& group_;
  std::unique_ptr<DeviceMemory> area_;
  std::unique_ptr<device::Experts> experts_;
};

}  // namespace banyan::comm
