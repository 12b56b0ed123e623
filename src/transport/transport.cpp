// SPDX-License-Identifier: Apache-2.0
#include "transport/transport.hpp"

#include <fmt/format.h>

#include <array>

#include "base/error.hpp"
#include "base/log.hpp"

namespace banyan::transport {
namespace {

void check(banyan_status status, const banyan_transport_ops& ops, void* object, const char* call) {
  if (status != BANYAN_OK) {
    throw Error(status, fmt::format("transport {}: {}: {}", ops.name, call, ops.last_error(object)));
  }
}

void check_size(size_t size, const banyan_transport_ops& ops, const char* call) {
  if (size > BANYAN_TRANSPORT_MAX_ADDRESS) {
    throw Error(BANYAN_ERR_INTERNAL, fmt::format("transport {}: {} wrote {} bytes, the limit is {}", ops.name, call,
                                                 size, BANYAN_TRANSPORT_MAX_ADDRESS));
  }
}

}  // namespace

Transport::Transport(const banyan_transport_ops& ops, const banyan_transport_config& config) : ops_(ops) {
  check(ops_.open(&config, &object_), ops_, nullptr, "open");
}

Transport::~Transport() { ops_.close(object_); }

std::string Transport::address() {
  std::array<char, BANYAN_TRANSPORT_MAX_ADDRESS> bytes{};
  size_t size = bytes.size();
  check(ops_.get_address(object_, bytes.data(), &size), ops_, object_, "get_address");
  check_size(size, ops_, "get_address");
  return {bytes.data(), size};
}

bool Transport::is_reachable(int peer, const std::string& address) {
  const banyan_status status = ops_.is_reachable(object_, peer, address.data(), address.size());
  if (status == BANYAN_ERR_NOT_SUPPORTED) {
    return false;
  }
  check(status, ops_, object_, "is_reachable");
  return true;
}

void Transport::connect(int peer, const std::string& address) {
  check(ops_.connect(object_, peer, address.data(), address.size()), ops_, object_, "connect");
}

Transport::Window::Window(Transport& transport, size_t size) : transport_(transport) {
  const auto& ops = transport_.ops_;
  check(ops.window_create(transport_.object_, size, &window_, &base_), ops, transport_.object_, "window_create");
}

Transport::Window::~Window() {
  const auto& ops = transport_.ops_;
  if (ops.window_free(transport_.object_, window_) != BANYAN_OK) {
    BANYAN_LOG(kWarn, "transport", "{}: window_free: {}", ops.name, ops.last_error(transport_.object_));
  }
}

std::string Transport::Window::handle() const {
  const auto& ops = transport_.ops_;
  std::array<char, BANYAN_TRANSPORT_MAX_ADDRESS> bytes{};
  size_t size = bytes.size();
  check(ops.window_export(transport_.object_, window_, bytes.data(), &size), ops, transport_.object_, "window_export");
  check_size(size, ops, "window_export");
  return {bytes.data(), size};
}

Transport::Mapping::Mapping(Transport& transport, int peer, const std::string& handle) : transport_(transport) {
  const auto& ops = transport_.ops_;
  check(ops.window_map(transport_.object_, peer, handle.data(), handle.size(), &mapping_, &base_), ops,
        transport_.object_, "window_map");
}

Transport::Mapping::~Mapping() {
  const auto& ops = transport_.ops_;
  if (ops.window_unmap(transport_.object_, mapping_) != BANYAN_OK) {
    BANYAN_LOG(kWarn, "transport", "{}: window_unmap: {}", ops.name, ops.last_error(transport_.object_));
  }
}

}  // namespace banyan::transport
