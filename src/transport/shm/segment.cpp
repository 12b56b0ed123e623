// SPDX-License-Identifier: Apache-2.0
#include "transport/shm/segment.hpp"

#include <sys/random.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/error.hpp"

namespace banyan::transport::shm {

Segment::Segment(int rank, int size, uint64_t comm_id) {
  const SegmentLayout layout(size);
  fd_ = make_shared_memory("banyan-shm", layout.bytes);
  mapping_ = SharedMapping(fd_.get(), 0, layout.bytes);
  auto* header = new (mapping_.base()) SegmentHeader{};
  header->magic = kMagic;
  header->comm_id = comm_id;
  header->rank = rank;
  header->size = size;
  if (::getrandom(header->token, sizeof(header->token), 0) != sizeof(header->token)) {
    throw Error(BANYAN_ERR_IO, std::string("shm: getrandom: ") + std::strerror(errno));
  }
  directory_ = {reinterpret_cast<RingPlace*>(mapping_.base() + layout.directory), static_cast<size_t>(size)};
  descriptors_ = {reinterpret_cast<Descriptor*>(mapping_.base() + layout.descriptors), kDescriptors};
  for (uint32_t index = kDescriptors; index-- > 0;) {
    free_.push_back(index);
  }
}

Segment::Ring Segment::add_ring(size_t bytes) {
  const size_t offset = grow_shared_memory(fd_.get(), bytes);
  return {offset, SharedMapping(fd_.get(), offset, bytes)};
}

void Segment::publish_ring(int peer, size_t offset, size_t bytes) noexcept {
  RingPlace& place = directory_[static_cast<size_t>(peer)];
  place.bytes.store(bytes, std::memory_order_relaxed);
  place.offset.store(offset, std::memory_order_release);
}

uint32_t Segment::acquire() noexcept {
  if (free_.empty()) {
    return kDescriptors;
  }
  const uint32_t index = free_.back();
  free_.pop_back();
  descriptors_[index].state.store(Descriptor::pack(generation(index) + 1, Descriptor::kReady),
                                  std::memory_order_relaxed);
  return index;
}

void Segment::release(uint32_t index) noexcept {
  descriptors_[index].state.store(Descriptor::pack(generation(index), Descriptor::kFree), std::memory_order_release);
  free_.push_back(index);  // never beyond its first capacity
}

void Segment::withdraw_all() noexcept {
  for (uint32_t index = 0; index < kDescriptors; ++index) {
    descriptors_[index].state.store(Descriptor::pack(generation(index), Descriptor::kFree), std::memory_order_release);
  }
}

}  // namespace banyan::transport::shm
