// SPDX-License-Identifier: Apache-2.0
#include "exchange.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <stdexcept>

namespace banyan::conformance {

Exchange::Exchange(int size) : size_(size) {
  void* memory = ::mmap(nullptr, sizeof(Slot) * kMaxRanks, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED || size > kMaxRanks) {
    throw std::runtime_error("exchange: cannot make the shared area");
  }
  slots_ = new (memory) Slot[kMaxRanks];
}

Exchange::~Exchange() { ::munmap(slots_, sizeof(Slot) * kMaxRanks); }

void Exchange::barrier(int rank, const std::function<void()>& idle) {
  const unsigned mine = slots_[rank].arrivals.load(std::memory_order_relaxed) + 1;
  slots_[rank].arrivals.store(mine, std::memory_order_release);
  for (int other = 0; other < size_; ++other) {
    while (!has_left(other) && static_cast<int>(slots_[other].arrivals.load(std::memory_order_acquire) - mine) < 0) {
      idle();
    }
  }
}

std::vector<std::string> Exchange::allgather(int rank, const std::string& bytes, const std::function<void()>& idle) {
  if (bytes.size() > kMaxBytes) {
    throw std::runtime_error("exchange: too many bytes");
  }
  slots_[rank].size = bytes.size();
  std::copy(bytes.begin(), bytes.end(), slots_[rank].bytes);
  barrier(rank, idle);
  std::vector<std::string> all;
  for (int other = 0; other < size_; ++other) {
    all.emplace_back(slots_[other].bytes, slots_[other].size);
  }
  barrier(rank, idle);
  return all;
}

void Exchange::leave(int rank) noexcept { slots_[rank].left.store(true, std::memory_order_release); }
bool Exchange::has_left(int rank) const noexcept { return slots_[rank].left.load(std::memory_order_acquire); }

void Exchange::fail(int rank, const std::string& reason) noexcept {
  const size_t size = std::min(reason.size(), sizeof(Slot::reason) - 1);
  std::memcpy(slots_[rank].reason, reason.data(), size);
  slots_[rank].reason[size] = '\0';
  slots_[rank].failed.store(true, std::memory_order_release);
}

bool Exchange::any_failed() const noexcept {
  return std::any_of(slots_, slots_ + size_,
                     [](const Slot& slot) { return slot.failed.load(std::memory_order_relaxed); });
}

std::string Exchange::failure(int rank) const {
  return slots_[rank].failed.load(std::memory_order_acquire) ? slots_[rank].reason : std::string{};
}

}  // namespace banyan::conformance
