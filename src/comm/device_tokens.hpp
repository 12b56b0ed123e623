// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "comm/device_group.hpp"

namespace banyan::comm {

/// A token exchange of a device group (banyan/device_plugin.h). One thread at a time, the communicator's.
class DeviceTokens {
 public:
  /// Collective. `config`: all but `areas`; what it points to is borrowed for the call. `problem`: what is wrong with
  /// it already. Error on all ranks: INVALID_ARGUMENT, MISMATCH, or what failed on the first rank that failed.
  DeviceTokens(DeviceGroup& group, banyan_device_tokens_config config, const std::string& problem);
  /// Collective; the caller has synchronised with what was enqueued.
  ~DeviceTokens();
  DeviceTokens(const DeviceTokens&) = delete;
  DeviceTokens& operator=(const DeviceTokens&) = delete;

  [[nodiscard]] banyan_device_received received() const { return tokens_->received(); }
  /// Enqueue; nothing is enqueued when they throw.
  void dispatch(const banyan_device_dispatch& dispatch, void* stream);
  void combine(void* out, void* stream);

 private:
  DeviceGroup& group_;
  std::unique_ptr<DeviceMemory> area_;
  std::unique_ptr<device::Tokens> tokens_;
};

}  // namespace banyan::comm
