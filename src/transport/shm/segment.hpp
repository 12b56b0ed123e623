// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "transport/shm/layout.hpp"
#include "transport/shm/memory.hpp"

namespace banyan::transport::shm {

/// The segment of this rank. One thread.
class Segment {
 public:
  Segment(int rank, int size, uint64_t comm_id);

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  [[nodiscard]] SegmentHeader& header() const noexcept { return *reinterpret_cast<SegmentHeader*>(mapping_.base()); }
  [[nodiscard]] Descriptor& descriptor(uint32_t index) const noexcept { return descriptors_[index]; }

  /// Memory for a ring, mapped, and where it lies in the segment.
  struct Ring {
    size_t offset;
    SharedMapping memory;
  };
  [[nodiscard]] Ring add_ring(size_t bytes);
  /// Shows a ring, once it has its reader, to the peer that writes it.
  void publish_ring(int peer, size_t offset, size_t bytes) noexcept;

  /// A free descriptor's index, or kDescriptors when all are in use.
  [[nodiscard]] uint32_t acquire() noexcept;
  /// Ends a descriptor's use; later moves of a peer on it fail.
  void release(uint32_t index) noexcept;
  /// Ends the use of all descriptors: what peers read from now on is not taken.
  void withdraw_all() noexcept;
  [[nodiscard]] uint32_t generation(uint32_t index) const noexcept {
    return Descriptor::generation_of(descriptors_[index].state.load(std::memory_order_relaxed));
  }

 private:
  Fd fd_;
  SharedMapping mapping_;
  std::span<RingPlace> directory_;
  std::span<Descriptor> descriptors_;
  std::vector<uint32_t> free_;
};

}  // namespace banyan::transport::shm
