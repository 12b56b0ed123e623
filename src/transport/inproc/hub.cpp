// SPDX-License-Identifier: Apache-2.0
#include "transport/inproc/hub.hpp"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "base/error.hpp"

namespace banyan::transport {

InprocMemory::InprocMemory(size_t size)
    : size_(size), base_(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
  if (base_ == MAP_FAILED) {
    throw Error(BANYAN_ERR_NO_MEMORY, fmt::format("window of {} bytes: {}", size, std::strerror(errno)));
  }
}

InprocMemory::~InprocMemory() { ::munmap(base_, size_); }

uint64_t InprocHub::add_window(std::shared_ptr<InprocMemory> memory) {
  const std::lock_guard lock(mutex_);
  windows_.emplace(next_window_, std::move(memory));
  return next_window_++;
}

void InprocHub::remove_window(uint64_t id) {
  const std::lock_guard lock(mutex_);
  windows_.erase(id);
}

std::shared_ptr<InprocMemory> InprocHub::window(uint64_t id) {
  const std::lock_guard lock(mutex_);
  const auto found = windows_.find(id);
  return found == windows_.end() ? nullptr : found->second;
}

std::shared_ptr<InprocHub> make_inproc_hub(int size) {
  if (size < 1) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, fmt::format("inproc hub of {} ranks; at least 1", size));
  }
  return std::make_shared<InprocHub>(size);
}

}  // namespace banyan::transport
