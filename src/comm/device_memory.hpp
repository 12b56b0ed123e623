// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "device/device.hpp"

namespace banyan::comm {

/// What all parts of a device group use: the ranks and this rank's device.
struct DevicePeers {
  Communicator& communicator;
  std::unique_ptr<device::Device> device;
  bool may_write = false;  ///< peers may, without asking: every rank has a group
  bool kept = false;       ///< memory was left to peers that could not be asked

  /// Of an operation that begins now.
  [[nodiscard]] Deadline deadline() const { return Deadline::in(communicator.settings().timeout_s); }
  /// All ranks have come here; false if the communicator cannot tell.
  bool meet() noexcept;
};

/// Memory of every rank's device that all ranks map. Made and destroyed by all ranks together.
class DeviceMemory {
 public:
  /// Collective. `size` is this rank's, others may have other sizes. If a rank cannot allocate or map, every rank
  /// throws, and nothing is left.
  DeviceMemory(DevicePeers& peers, size_t size, Deadline deadline);
  /// Collective: frees it when no rank maps it any more. Where that cannot be known and peers may still write, it
  /// stays until the process ends.
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  [[nodiscard]] const device::Window& own() const noexcept { return *window_; }
  /// By rank: where its part is mapped here.
  [[nodiscard]] const std::vector<void*>& bases() const noexcept { return bases_; }

 private:
  void map_all(const std::vector<std::string>& handles);

  DevicePeers& peers_;
  std::unique_ptr<device::Window> window_;
  std::vector<std::unique_ptr<device::Mapping>> mappings_;  ///< by rank
  std::vector<void*> bases_;
};

}  // namespace banyan::comm
