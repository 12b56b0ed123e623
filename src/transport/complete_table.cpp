// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#include "transport/plugin_kind.hpp"
#include "transport/registry.hpp"

namespace banyan::transport {
namespace {

constexpr uint64_t kKnownCapabilities =
    BANYAN_TRANSPORT_CAP_INTER_HOST | BANYAN_TRANSPORT_CAP_MAPPED | BANYAN_TRANSPORT_CAP_REPORTS_PEER_FAILURE;

using plugins::Member;

[[noreturn]] void refuse(const std::string& origin, const std::string& reason) {
  plugins::refuse(kTransportPlugins, origin, reason);
}

/// The header's words for an absent operation; the host fills them in.
banyan_status no_register(void*, void*, size_t, void**) { return BANYAN_ERR_NOT_SUPPORTED; }
banyan_status no_deregister(void*, void*) { return BANYAN_ERR_NOT_SUPPORTED; }
banyan_status no_window_create(void*, size_t, void**, void**) { return BANYAN_ERR_NOT_SUPPORTED; }
banyan_status no_window_export(void*, void*, void*, size_t*) { return BANYAN_ERR_NOT_SUPPORTED; }
banyan_status no_window_map(void*, int, const void*, size_t, void**, void**) { return BANYAN_ERR_NOT_SUPPORTED; }
banyan_status no_window_end(void*, void*) { return BANYAN_ERR_NOT_SUPPORTED; }
banyan_status always_flushed(void*) { return BANYAN_OK; }

void check_required(const banyan_transport_ops& table, const std::string& origin) {
  const std::array members = {
      Member{"open", table.open != nullptr},
      Member{"close", table.close != nullptr},
      Member{"get_address", table.get_address != nullptr},
      Member{"is_reachable", table.is_reachable != nullptr},
      Member{"connect", table.connect != nullptr},
      Member{"post_send", table.post_send != nullptr},
      Member{"post_recv", table.post_recv != nullptr},
      Member{"progress", table.progress != nullptr},
      Member{"cancel", table.cancel != nullptr},
      Member{"last_error", table.last_error != nullptr},
  };
  plugins::check_required(kTransportPlugins, members, origin);
}

/// Whether the group is filled; refuses half a group, naming a member that is absent.
template <size_t count>
bool group_filled(const std::array<Member, count>& members, const char* group, const std::string& origin) {
  const auto absent = std::find_if(members.begin(), members.end(), [](const Member& m) { return !m.present; });
  if (absent == members.end()) {
    return true;
  }
  if (std::any_of(members.begin(), members.end(), [](const Member& m) { return m.present; })) {
    refuse(origin, fmt::format("group {} is half filled: {} is NULL; fill all or none", group, absent->name));
  }
  return false;
}

void complete_registration(banyan_transport_ops& table, const std::string& origin) {
  const std::array members = {Member{"register_memory", table.register_memory != nullptr},
                              Member{"deregister_memory", table.deregister_memory != nullptr}};
  if (!group_filled(members, "memory registration", origin)) {
    table.register_memory = no_register;
    table.deregister_memory = no_deregister;
  }
}

void complete_windows(banyan_transport_ops& table, const std::string& origin) {
  const std::array members = {
      Member{"window_create", table.window_create != nullptr}, Member{"window_export", table.window_export != nullptr},
      Member{"window_map", table.window_map != nullptr}, Member{"window_unmap", table.window_unmap != nullptr},
      Member{"window_free", table.window_free != nullptr}};
  const bool filled = group_filled(members, "mapped memory", origin);
  if (filled != ((table.capabilities & BANYAN_TRANSPORT_CAP_MAPPED) != 0)) {
    refuse(origin, fmt::format("BANYAN_TRANSPORT_CAP_MAPPED is {} but the window_ operations are {}",
                               filled ? "not set" : "set", filled ? "filled" : "NULL"));
  }
  if (!filled) {
    table.window_create = no_window_create;
    table.window_export = no_window_export;
    table.window_map = no_window_map;
    table.window_unmap = no_window_end;
    table.window_free = no_window_end;
  }
}

}  // namespace

std::unique_ptr<banyan_transport_ops> complete_table(const banyan_transport_ops& table, const std::string& origin) {
  plugins::check_header(kTransportPlugins, {table.version, table.reserved, table.struct_size, table.name}, origin);
  auto complete = std::make_unique<banyan_transport_ops>();
  std::memcpy(static_cast<void*>(complete.get()), &table, std::min(table.struct_size, sizeof(banyan_transport_ops)));
  check_required(*complete, origin);
  complete_registration(*complete, origin);
  complete_windows(*complete, origin);
  if (complete->flush == nullptr) {
    complete->flush = always_flushed;
  }
  complete->version = BANYAN_TRANSPORT_ABI_VERSION;
  complete->struct_size = sizeof(banyan_transport_ops);
  complete->capabilities &= kKnownCapabilities;
  return complete;
}

}  // namespace banyan::transport
