// SPDX-License-Identifier: Apache-2.0
// The table of the device plugin for tests; memory.hpp says what it is.
#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <new>

#include "experts.hpp"
#include "group.hpp"
#include "memory.hpp"
#include "tokens.hpp"

namespace banyan::fake_device {
namespace {

thread_local std::string error_text;

template <typename Body>
banyan_status boundary(Body body) noexcept {
  try {
    body();
    return BANYAN_OK;
  } catch (const Failure& failure) {
    error_text = failure.text;
    return failure.status;
  } catch (const std::bad_alloc&) {
    error_text = "no memory";
    return BANYAN_ERR_NO_MEMORY;
  } catch (const std::exception& exception) {
    error_text = exception.what();
    return BANYAN_ERR_INTERNAL;
  }
}

Device& device_of(void* device) noexcept { return *static_cast<Device*>(device); }
Group& group_of(void* group) noexcept { return *static_cast<Group*>(group); }
TokenExchange& tokens_of(void* tokens) noexcept { return *static_cast<TokenExchange*>(tokens); }

ExpertExchange& experts_of(void* experts) noexcept { return *static_cast<ExpertExchange*>(experts); }

banyan_status window_export(void* device, const void* address, void* handle, size_t* handle_size) {
  return boundary([&] {
    const std::string bytes = device_of(device).export_address(address);
    std::memcpy(handle, bytes.data(), bytes.size());
    *handle_size = bytes.size();
  });
}

banyan_status window_map(void* device, const void* handle, size_t handle_size, void** address, void** mapping) {
  return boundary([&] {
    const auto mapped = device_of(device).map({static_cast<const char*>(handle), handle_size});
    *address = mapped.address;
    *mapping = mapped.token;
  });
}

size_t tokens_area_bytes(int num_ranks, const banyan_device_tokens_config* config) {
  size_t bytes = 0;
  static_cast<void>(boundary([&] { bytes = TokenExchange::layout_of(num_ranks, *config).bytes(); }));
  return bytes;
}

size_t experts_area_bytes(int num_ranks, const banyan_device_experts_config* config) {
  size_t bytes = 0;
  static_cast<void>(boundary([&] { bytes = ExpertExchange::layout_of(num_ranks, *config).bytes(); }));
  return bytes;
}

constexpr void add_experts(banyan_device_ops& table) {
  table.experts_area_bytes = experts_area_bytes;
  table.experts_create = [](void* group, const banyan_device_experts_config* config, void** experts) {
    return boundary([&] { *experts = std::make_unique<ExpertExchange>(group_of(group), *config).release(); });
  };
  table.experts_free = [](void* experts) { delete static_cast<ExpertExchange*>(experts); };
  table.experts_received = [](void* experts, banyan_device_expert_rows* received) {
    return boundary([&] { experts_of(experts).received(*received); });
  };
  table.experts_dispatch = [](void* experts, const banyan_device_dispatch* dispatch, void*) {
    return boundary([&] { experts_of(experts).dispatch(*dispatch); });
  };
  table.experts_combine = [](void* experts, void* out, int weighted, void*) {
    return boundary([&] { experts_of(experts).combine(out, weighted != 0); });
  };
}

banyan_status group_describe(void* group, char* text, size_t size) {
  return boundary([&] {
    const std::string description = group_of(group).describe();
    if (size > 0) {
      const size_t length = std::min(size - 1, description.size());
      std::memcpy(text, description.data(), length);
      text[length] = '\0';
    }
  });
}

constexpr banyan_device_ops make_table() {
  banyan_device_ops table{};
  table.version = BANYAN_DEVICE_ABI_VERSION;
  table.reserved = 0;
  table.struct_size = sizeof(banyan_device_ops);
  table.name = "host";
  table.count = [](int* devices) { return boundary([&] { *devices = count_devices(); }); };
  table.inspect = [](const void* address, banyan_device_pointer* pointer) {
    return boundary([&] { inspect(address, *pointer); });
  };
  table.stream_device = [](void* stream, int* device) { return boundary([&] { *device = device_of_stream(stream); }); };
  table.open = [](const banyan_device_config* config, void** device) {
    return boundary([&] { *device = std::make_unique<Device>(*config).release(); });
  };
  table.close = [](void* device) { delete static_cast<Device*>(device); };
  table.last_error = [] { return error_text.c_str(); };
  table.window_create = [](void* device, size_t size, void** base) {
    return boundary([&] { *base = device_of(device).create_window(size); });
  };
  table.window_free = [](void* device, void* base) { return boundary([&] { device_of(device).free_window(base); }); };
  table.window_export = window_export;
  table.window_map = window_map;
  table.window_unmap = [](void* device, void* mapping) { return boundary([&] { device_of(device).unmap(mapping); }); };
  table.inbox_bytes = [](int num_ranks, size_t eager_bytes) { return InboxLayout{num_ranks, eager_bytes}.bytes(); };
  table.group_create = [](void* device, const banyan_device_group_config* config, void** group) {
    return boundary([&] { *group = std::make_unique<Group>(device_of(device), *config).release(); });
  };
  table.group_free = [](void* group) { delete static_cast<Group*>(group); };
  table.group_add_window = [](void* group, void* const* bases, size_t own_bytes) {
    return boundary([&] { group_of(group).add_window(bases, own_bytes); });
  };
  table.exchange = [](void* group, const banyan_device_move* moves, void*) {
    return boundary([&] { group_of(group).exchange(moves); });
  };
  table.pull = [](void*, const banyan_device_move*, void*) {
    return boundary([] { throw Failure{BANYAN_ERR_NOT_SUPPORTED, "no pulls here"}; });
  };
  table.tokens_area_bytes = tokens_area_bytes;
  table.tokens_create = [](void* group, const banyan_device_tokens_config* config, void** tokens) {
    return boundary([&] { *tokens = std::make_unique<TokenExchange>(group_of(group), *config).release(); });
  };
  table.tokens_free = [](void* tokens) { delete static_cast<TokenExchange*>(tokens); };
  table.tokens_received = [](void* tokens, banyan_device_received* received) {
    return boundary([&] { tokens_of(tokens).received(*received); });
  };
  table.tokens_dispatch = [](void* tokens, const banyan_device_dispatch* dispatch, void*) {
    return boundary([&] { tokens_of(tokens).dispatch(*dispatch); });
  };
  table.tokens_combine = [](void* tokens, void* out, void*) {
    return boundary([&] { tokens_of(tokens).combine(out); });
  };
  table.group_failure = [](void* group, banyan_device_failure* failure) {
    *failure = group_of(group).failure();
    return BANYAN_OK;
  };
  table.group_abort = [](void* group) { group_of(group).abort(); };
  table.group_describe = group_describe;
  add_experts(table);
  return table;
}

constexpr banyan_device_ops kTable = make_table();

}  // namespace
}  // namespace banyan::fake_device

extern "C" BANYAN_API const banyan_device_ops* banyan_device_query(uint32_t max_version) {
  return max_version >= BANYAN_DEVICE_ABI_VERSION ? &banyan::fake_device::kTable : nullptr;
}
