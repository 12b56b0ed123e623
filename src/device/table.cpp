// SPDX-License-Identifier: Apache-2.0
#include "device/table.hpp"

#include <array>
#include <cstddef>

#include "base/error.hpp"
#include "base/plugins.hpp"

namespace banyan::device {
namespace {

/// A table may end after group_describe: what comes later is asked for by require_experts().
constexpr plugins::Kind kDevicePlugins{
    .noun = "device",
    .query = BANYAN_DEVICE_QUERY_SYMBOL,
    .newest = BANYAN_DEVICE_ABI_VERSION,
    .required_bytes = offsetof(banyan_device_ops, group_describe) + sizeof(banyan_device_ops::group_describe)};

}  // namespace

void check_table(const banyan_device_ops& table, const std::string& origin) {
  plugins::check_header(kDevicePlugins, {table.version, table.reserved, table.struct_size, table.name}, origin);
  const std::array members = {
      plugins::Member{"count", table.count != nullptr},
      plugins::Member{"inspect", table.inspect != nullptr},
      plugins::Member{"stream_device", table.stream_device != nullptr},
      plugins::Member{"open", table.open != nullptr},
      plugins::Member{"close", table.close != nullptr},
      plugins::Member{"last_error", table.last_error != nullptr},
      plugins::Member{"window_create", table.window_create != nullptr},
      plugins::Member{"window_free", table.window_free != nullptr},
      plugins::Member{"window_export", table.window_export != nullptr},
      plugins::Member{"window_map", table.window_map != nullptr},
      plugins::Member{"window_unmap", table.window_unmap != nullptr},
      plugins::Member{"inbox_bytes", table.inbox_bytes != nullptr},
      plugins::Member{"group_create", table.group_create != nullptr},
      plugins::Member{"group_free", table.group_free != nullptr},
      plugins::Member{"group_add_window", table.group_add_window != nullptr},
      plugins::Member{"exchange", table.exchange != nullptr},
      plugins::Member{"pull", table.pull != nullptr},
      plugins::Member{"tokens_area_bytes", table.tokens_area_bytes != nullptr},
      plugins::Member{"tokens_create", table.tokens_create != nullptr},
      plugins::Member{"tokens_free", table.tokens_free != nullptr},
      plugins::Member{"tokens_received", table.tokens_received != nullptr},
      plugins::Member{"tokens_dispatch", table.tokens_dispatch != nullptr},
      plugins::Member{"tokens_combine", table.tokens_combine != nullptr},
      plugins::Member{"group_failure", table.group_failure != nullptr},
      plugins::Member{"group_abort", table.group_abort != nullptr},
      plugins::Member{"group_describe", table.group_describe != nullptr},
  };
  plugins::check_required(kDevicePlugins, members, origin);
}

const banyan_device_ops& find_table(const std::string& name) {
  const std::string origin = plugins::find(kDevicePlugins, name).string();
  const banyan_device_ops& table = plugins::load<banyan_device_query_fn>(kDevicePlugins, origin);
  check_table(table, origin);
  plugins::check_name(kDevicePlugins, table.name, name, origin);
  return table;
}

void check(const banyan_device_ops& ops, banyan_status status, const std::string& what) {
  if (status != BANYAN_OK) {
    throw Error(status, std::string("device ") + ops.name + ": " + what + ": " + ops.last_error());
  }
}

void require_device(const banyan_device_ops& ops, int ordinal) {
  int devices = 0;
  check(ops, ops.count(&devices), "count");
  if (devices < 1) {
    throw Error(BANYAN_ERR_NOT_SUPPORTED, std::string("device ") + ops.name + ": this process has no device");
  }
  if (ordinal < 0 || ordinal >= devices) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "device is " + std::to_string(ordinal) + ", this process has " +
                                                 std::to_string(devices) + " of " + ops.name + ", from 0 on");
  }
}

void require_experts(const banyan_device_ops& ops) {
  constexpr size_t kEnd = offsetof(banyan_device_ops, experts_combine) + sizeof(banyan_device_ops::experts_combine);
  if (ops.struct_size < kEnd || ops.experts_area_bytes == nullptr || ops.experts_create == nullptr ||
      ops.experts_free == nullptr || ops.experts_received == nullptr || ops.experts_dispatch == nullptr ||
      ops.experts_combine == nullptr) {
    throw Error(BANYAN_ERR_NOT_SUPPORTED, std::string("device ") + ops.name +
                                              ": this plugin has no token exchanges by experts; use those by ranks "
                                              "(banyan_device_tokens_create), or a newer plugin");
  }
}

}  // namespace banyan::device
