// SPDX-License-Identifier: Apache-2.0
#include "comm/device_memory.hpp"

#include <exception>

#include "base/error.hpp"
#include "base/log.hpp"
#include "comm/agree.hpp"

namespace banyan::comm {

bool DevicePeers::meet() noexcept {
  try {
    communicator.check_usable();
    communicator.bootstrap().barrier(deadline());
    return true;
  } catch (const std::exception& error) {
    BANYAN_LOG(kInfo, "comm", "rank {} frees device memory without its peers: {}", communicator.rank(), error.what());
    return false;
  }
}

DeviceMemory::DeviceMemory(DevicePeers& peers, size_t size, Deadline deadline) : peers_(peers) {
  bootstrap::Bootstrap& bootstrap = peers_.communicator.bootstrap();
  const auto handles = exchange_or_fail(bootstrap, deadline, [&] {
    window_ = std::make_unique<device::Window>(*peers_.device, size);
    return window_->handle();
  });
  try {
    static_cast<void>(exchange_or_fail(bootstrap, deadline, [&] {
      map_all(handles);
      return std::string();
    }));
  } catch (const std::exception&) {
    mappings_.clear();
    peers_.meet();  // nobody maps what is freed now
    throw;
  }
}

DeviceMemory::~DeviceMemory() {
  mappings_.clear();
  if (!peers_.meet() && peers_.may_write) {
    BANYAN_LOG(kWarn, "comm", "rank {} keeps {} bytes of device memory: peers that it lost may still write there",
               peers_.communicator.rank(), window_->size());
    window_->keep();
    peers_.kept = true;
  }
}

void DeviceMemory::map_all(const std::vector<std::string>& handles) {
  for (size_t rank = 0; rank < handles.size(); ++rank) {
    mappings_.push_back(std::make_unique<device::Mapping>(*peers_.device, static_cast<int>(rank), handles[rank]));
    bases_.push_back(mappings_.back()->address());
  }
}

}  // namespace banyan::comm
