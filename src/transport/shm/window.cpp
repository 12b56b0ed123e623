// SPDX-License-Identifier: Apache-2.0
// Windows: shared memory of one rank that the others map.
#include <fmt/format.h>

#include <cstring>

#include "base/error.hpp"
#include "transport/shm/transport.hpp"

namespace banyan::transport::shm {
namespace {

/// What window_export writes.
struct WindowHandle {
  uint64_t magic;
  MemoryAddress memory;
};

}  // namespace

void* ShmTransport::keep(Fd fd, SharedMapping memory, void** base) {
  windows_.push_back(std::make_unique<Window>(Window{std::move(fd), std::move(memory)}));
  *base = windows_.back()->memory.base();
  return windows_.back().get();
}

void* ShmTransport::window_create(size_t size, void** base) {
  if (size == 0 || size > SIZE_MAX / 2) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, fmt::format("shm: window of {} bytes", size));
  }
  const size_t bytes = round_up(size, kPage);
  Fd fd = make_shared_memory("banyan-window", bytes);
  SharedMapping memory(fd.get(), 0, bytes);
  return keep(std::move(fd), std::move(memory), base);
}

void ShmTransport::window_export(void* window, void* handle, size_t* handle_size) const {
  const WindowHandle exported{kMagic, address_of_memory(static_cast<Window*>(window)->fd.get())};
  std::memcpy(handle, &exported, sizeof(exported));
  *handle_size = sizeof(exported);
}

void* ShmTransport::window_map(int rank, const void* handle, size_t handle_size, void** base) {
  WindowHandle imported{};
  if (rank < 0 || rank >= size_ || peers_[static_cast<size_t>(rank)] == nullptr) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, fmt::format("shm: window of peer {}, which is not connected", rank));
  }
  const MemoryAddress& owner = peers_[static_cast<size_t>(rank)]->memory;
  if (handle_size == sizeof(imported)) {
    std::memcpy(&imported, handle, sizeof(imported));
  }
  if (imported.magic != kMagic || imported.memory.pid != owner.pid || imported.memory.start_time != owner.start_time) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                fmt::format("shm: {} bytes are no window handle of peer {}", handle_size, rank));
  }
  const Fd fd = open_memory(imported.memory);
  return keep(Fd{}, SharedMapping(fd.get(), 0, imported.memory.size), base);
}

void ShmTransport::window_unmap(void* mapping) {
  std::erase_if(windows_, [&](const auto& window) { return window.get() == mapping; });
}

void ShmTransport::window_free(void* window) { window_unmap(window); }

}  // namespace banyan::transport::shm
