// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "comm/device_memory.hpp"

namespace banyan::comm {

/// A device group's terms, equal on all ranks but for the device. A value.
struct DeviceTerms {
  std::string plugin = "cuda";
  int device = 0;  ///< ordinal in this process
  size_t eager_bytes = 0;
  int max_blocks = 0;
  double timeout_s = 0;  ///< of waits on the device
  std::string problem;   ///< what is wrong with this rank's terms; all ranks hear of it
};

/// One direction of an all-to-all-v in device memory, in bytes, by rank.
struct DeviceBlocks {
  std::span<const size_t> bytes;
  std::span<const size_t> offsets;
};

/// The devices of a communicator's ranks, which load and store each other's memory: exchanges on a stream of the
/// caller. One thread at a time, the communicator's, but check() and abort() from any.
class DeviceGroup {
 public:
  /// Collective: opens the devices, agrees on terms, maps what ranks need of each other. Error on all ranks: LIMIT for
  /// too many ranks, NOT_SUPPORTED where they are not on one host or a rank has no device, MISMATCH for unequal terms,
  /// else what failed on the first rank that failed.
  DeviceGroup(Communicator& communicator, const DeviceTerms& terms);
  /// Collective; the caller has synchronised with what was enqueued. See leave().
  ~DeviceGroup();
  DeviceGroup(const DeviceGroup&) = delete;
  DeviceGroup& operator=(const DeviceGroup&) = delete;

  /// Collective, right before it is destroyed: Error{BUSY} on all ranks if any rank still has `num_users`.
  void leave(int num_users);

  /// Collective: zeroed memory of this rank's device that peers may write to. Sizes may differ.
  [[nodiscard]] void* allocate(size_t size);
  /// Collective: frees what the same call of allocate() gave on each rank; null on all is nothing.
  void free(void* memory);

  /// Enqueues an all-to-all-v; nothing is enqueued when it throws. The buffers are memory of the group's device; null
  /// where nothing is sent or received.
  void alltoallv(const void* sendbuf, DeviceBlocks send, void* recvbuf, DeviceBlocks recv, void* stream);

  /// Throws the cause if exchanges have failed or the communicator was aborted; then exchanges that wait end, too.
  void check();
  /// Ends the exchanges of this rank that wait, and all later ones.
  void abort() noexcept { group_->abort(); }

  [[nodiscard]] int rank() const noexcept { return peers_.communicator.rank(); }
  [[nodiscard]] int size() const noexcept { return peers_.communicator.size(); }
  [[nodiscard]] DevicePeers& peers() noexcept { return peers_; }
  [[nodiscard]] device::Device& device() noexcept { return *peers_.device; }
  [[nodiscard]] device::Group& group() noexcept { return *group_; }

 private:
  struct Allocation {
    int number;  ///< of the window, as the plugin counts them
    std::unique_ptr<DeviceMemory> memory;
  };

  void open(const DeviceTerms& terms, Deadline deadline);
  void make_group(const DeviceTerms& terms, Deadline deadline);
  [[nodiscard]] std::vector<Allocation>::iterator find(const void* memory);
  /// Of the allocation that holds these bytes; -1: none.
  [[nodiscard]] int window_of(const void* address, size_t bytes) const noexcept;
  [[nodiscard]] std::string describe(const banyan_device_failure& failure);

  DevicePeers peers_;
  size_t eager_bytes_;
  double timeout_s_;
  std::unique_ptr<DeviceMemory> inbox_;
  std::unique_ptr<device::Group> group_;
  std::vector<Allocation> allocations_;
  int num_windows_ = 0;        ///< ever
  std::string unallocatable_;  ///< why there are no more windows; empty: there may be
  std::vector<banyan_device_move> moves_;
  std::mutex describing_;
};

}  // namespace banyan::comm
