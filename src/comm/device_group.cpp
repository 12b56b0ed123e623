// SPDX-License-Identifier: Apache-2.0
#include "comm/device_group.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "base/log.hpp"
#include "comm/agree.hpp"
#include "device/table.hpp"

namespace banyan::comm {
namespace {

/// Equal on all ranks, so all ranks throw alike.
void require_mappable(const Communicator& communicator) {
  if (communicator.size() > BANYAN_DEVICE_MAX_RANKS) {
    throw Error(BANYAN_ERR_LIMIT, fmt::format("a device group has at most {} ranks, the communicator has {}; split it",
                                              BANYAN_DEVICE_MAX_RANKS, communicator.size()));
  }
  const topology::LocalityTree& tree = communicator.tree();
  const auto host_of = [&](int rank) { return tree.node(tree.ancestor(rank, topology::Tier::kNode)).name; };
  for (int rank = 1; rank < communicator.size(); ++rank) {
    if (!tree.same_host(0, rank)) {
      throw Error(
          BANYAN_ERR_NOT_SUPPORTED,
          fmt::format("a device group's ranks are on one host, but rank 0 is on {} and rank {} on {}; split the "
                      "communicator by host",
                      host_of(0), rank, host_of(rank)));
    }
  }
}

/// Where the first block that is not empty lies; null: all are.
template <typename Byte>
Byte* first_byte(Byte* buffer, const DeviceBlocks& blocks) {
  const auto block = std::find_if(blocks.bytes.begin(), blocks.bytes.end(), [](size_t bytes) { return bytes > 0; });
  return block == blocks.bytes.end() ? nullptr
                                     : buffer + blocks.offsets[static_cast<size_t>(block - blocks.bytes.begin())];
}

}  // namespace

DeviceGroup::DeviceGroup(Communicator& communicator, const DeviceTerms& terms)
    : peers_{.communicator = communicator, .device = nullptr},
      eager_bytes_(terms.eager_bytes),
      timeout_s_(terms.timeout_s > 0 ? terms.timeout_s : communicator.settings().timeout_s) {
  communicator.check_usable();
  require_mappable(communicator);
  const Deadline deadline = peers_.deadline();
  open(terms, deadline);
  const size_t bytes = device().ops().inbox_bytes(size(), eager_bytes_);
  inbox_ = std::make_unique<DeviceMemory>(peers_, bytes, deadline);
  make_group(terms, deadline);
  moves_.resize(static_cast<size_t>(size()));
  BANYAN_LOG(kInfo, "comm", "rank {} of {}: device group on {} device {}, eager {} bytes", rank(), size(),
             device().ops().name, terms.device, eager_bytes_);
}

void DeviceGroup::open(const DeviceTerms& terms, Deadline deadline) {
  bootstrap::Bootstrap& bootstrap = peers_.communicator.bootstrap();
  static_cast<void>(exchange_or_fail(bootstrap, deadline, [&] {
    if (!terms.problem.empty()) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT, terms.problem);
    }
    const banyan_device_ops& ops = device::find_table(terms.plugin);
    device::require_device(ops, terms.device);
    peers_.device = std::make_unique<device::Device>(ops, terms.device, timeout_s_);
    return std::string();
  }));
  require_equal(bootstrap, deadline,
                {{"plugin", terms.plugin},
                 {"eager_bytes", std::to_string(eager_bytes_)},
                 {"max_blocks", std::to_string(terms.max_blocks)},
                 {"timeout_s", fmt::format("{}", timeout_s_)}});
}

void DeviceGroup::make_group(const DeviceTerms& terms, Deadline deadline) {
  static_cast<void>(exchange_or_fail(peers_.communicator.bootstrap(), deadline, [&] {
    const banyan_device_group_config config{sizeof(config), rank(),           size(),
                                            eager_bytes_,   terms.max_blocks, inbox_->bases().data()};
    group_ = std::make_unique<device::Group>(device(), config);
    return std::string();
  }));
  peers_.may_write = true;
}

DeviceGroup::~DeviceGroup() {
  group_.reset();
  allocations_.clear();
  inbox_.reset();
  if (peers_.kept) {
    device::Device::keep(std::move(peers_.device));
  }
}

void DeviceGroup::leave(int num_users) {
  const auto require_none = [&] {
    if (num_users > 0) {
      throw Error(BANYAN_ERR_BUSY,
                  std::to_string(num_users) + " token exchanges of the device group are not freed; free them first");
    }
  };
  if (peers_.communicator.control().state().raised()) {
    require_none();
    return;
  }
  try {
    static_cast<void>(exchange_or_fail(peers_.communicator.bootstrap(), peers_.deadline(), [&] {
      require_none();
      return std::string();
    }));
  } catch (const Error& error) {
    if (error.status() == BANYAN_ERR_BUSY) {
      throw;
    }
    require_none();
    BANYAN_LOG(kInfo, "comm", "rank {} leaves the device group alone: {}", rank(), error.what());
  }
}

void* DeviceGroup::allocate(size_t size) {
  peers_.communicator.check_usable();
  if (!unallocatable_.empty()) {
    throw Error(BANYAN_ERR_LIMIT, "the device group has no more windows: " + unallocatable_);
  }
  const Deadline deadline = peers_.deadline();
  bootstrap::Bootstrap& bootstrap = peers_.communicator.bootstrap();
  static_cast<void>(exchange_or_fail(bootstrap, deadline, [&] {
    if (size == 0) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT, "size is 0, must be at least 1");
    }
    return std::string();
  }));
  auto memory = std::make_unique<DeviceMemory>(peers_, size, deadline);
  try {
    static_cast<void>(exchange_or_fail(bootstrap, deadline, [&] {
      group_->add_window(memory->bases(), size);
      return std::string();
    }));
  } catch (const std::exception& error) {
    unallocatable_ = error.what();  // ranks may count their windows differently from now on
    throw;
  }
  void* const base = memory->own().base();
  allocations_.push_back({num_windows_++, std::move(memory)});
  return base;
}

std::vector<DeviceGroup::Allocation>::iterator DeviceGroup::find(const void* memory) {
  return std::find_if(allocations_.begin(), allocations_.end(),
                      [&](const Allocation& allocation) { return allocation.memory->own().base() == memory; });
}

void DeviceGroup::free(void* memory) {
  peers_.communicator.check_usable();
  const auto found = find(memory);
  const auto numbers = exchange_or_fail(peers_.communicator.bootstrap(), peers_.deadline(), [&]() -> std::string {
    if (memory == nullptr) {
      return "none";
    }
    if (found == allocations_.end()) {
      throw Error(BANYAN_ERR_INVALID_ARGUMENT, "memory is not what banyan_device_alloc of this group gave");
    }
    return "number " + std::to_string(found->number);
  });
  for (size_t rank = 1; rank < numbers.size(); ++rank) {
    if (numbers[rank] != numbers[0]) {
      throw Error(BANYAN_ERR_MISMATCH,
                  fmt::format("of the group's allocations rank 0 frees {} and rank {} {}; all ranks "
                              "free the same one",
                              numbers[0], rank, numbers[rank]));
    }
  }
  if (found != allocations_.end()) {
    allocations_.erase(found);
  }
}

int DeviceGroup::window_of(const void* address, size_t bytes) const noexcept {
  for (const Allocation& allocation : allocations_) {
    if (allocation.memory->own().holds(address, bytes)) {
      return allocation.number;
    }
  }
  return -1;
}

void DeviceGroup::alltoallv(const void* sendbuf, DeviceBlocks send, void* recvbuf, DeviceBlocks recv, void* stream) {
  check();
  const auto* const from = static_cast<const char*>(sendbuf);
  auto* const to = static_cast<char*>(recvbuf);
  if (const char* const first = first_byte(from, send); first != nullptr) {
    device().require_pointer(first, "sendbuf");
  }
  if (const char* const first = first_byte(to, recv); first != nullptr) {
    device().require_pointer(first, "recvbuf");
  }
  device().require_stream(stream);
  for (int peer = 0; peer < size(); ++peer) {
    const auto index = static_cast<size_t>(peer);
    banyan_device_move& move = moves_[index];
    move = {};
    move.send_bytes = send.bytes[index];
    move.recv_bytes = recv.bytes[index];
    move.send = move.send_bytes > 0 ? from + send.offsets[index] : nullptr;
    move.recv = move.recv_bytes > 0 ? to + recv.offsets[index] : nullptr;
    move.window = move.recv_bytes > 0 ? window_of(move.recv, move.recv_bytes) : -1;
    if (move.window < 0 && peer != rank() && move.recv_bytes > eager_bytes_) {
      throw Error(
          BANYAN_ERR_NOT_SUPPORTED,
          fmt::format("recvbuf: the {} bytes from rank {} are more than the group's eager_bytes, {}, and do not "
                      "lie in memory of banyan_device_alloc; receive there, or make the group with a larger limit",
                      move.recv_bytes, peer, eager_bytes_));
    }
  }
  group_->exchange(moves_, stream);
}

std::string DeviceGroup::describe(const banyan_device_failure& failure) {
  const std::lock_guard<std::mutex> lock(describing_);
  const std::string end = failure.status == BANYAN_ERR_TIMEOUT
                              ? fmt::format(
                                    "not heard from within {} s; was it started there with equal arguments, in the "
                                    "same order, and does that device run?",
                                    timeout_s_)
                              : "waited for when the group was aborted.";
  return fmt::format(
      "rank {}: call {} of the device group ended: rank {} was {} Free the group on all ranks and make a "
      "new one. The device says: {}",
      rank(), failure.call, failure.peer, end, group_->describe());
}

void DeviceGroup::check() {
  bootstrap::AbortState& state = peers_.communicator.control().state();
  if (state.raised()) {
    group_->abort();
    throw Error(state.status(), state.text());
  }
  const banyan_device_failure failure = group_->failure();
  if (failure.status != BANYAN_OK) {
    throw Error(failure.status, describe(failure));
  }
}

}  // namespace banyan::comm
