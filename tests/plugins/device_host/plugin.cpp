// SPDX-License-Identifier: Apache-2.0
// The table of the device plugin for tests; memory.hpp says what it is.
#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <new>

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

constexpr banyan_device_ops kTable = {
    .version = BANYAN_DEVICE_ABI_VERSION,
    .reserved = 0,
    .struct_size = sizeof(banyan_device_ops),
    .name = "host",
    .count = [](int* devices) { return boundary([&] { *devices = count_devices(); }); },
    .inspect = [](const void* address,
                  banyan_device_pointer* pointer) { return boundary([&] { inspect(address, *pointer); }); },
    .stream_device = [](void* stream, int* device) { return boundary([&] { *device = device_of_stream(stream); }); },
    .open = [](const banyan_device_config* config,
               void** device) { return boundary([&] { *device = std::make_unique<Device>(*config).release(); }); },
    .close = [](void* device) { delete static_cast<Device*>(device); },
    .last_error = [] { return error_text.c_str(); },
    .window_create = [](void* device, size_t size,
                        void** base) { return boundary([&] { *base = device_of(device).create_window(size); }); },
    .window_free = [](void* device, void* base) { return boundary([&] { device_of(device).free_window(base); }); },
    .window_export = window_export,
    .window_map = window_map,
    .window_unmap = [](void* device, void* mapping) { return boundary([&] { device_of(device).unmap(mapping); }); },
    .inbox_bytes =
        [](int num_ranks, size_t eager_bytes) {
          return InboxLayout{num_ranks, eager_bytes}.bytes();
        },
    .group_create =
        [](void* device, const banyan_device_group_config* config, void** group) {
          return boundary([&] { *group = std::make_unique<Group>(device_of(device), *config).release(); });
        },
    .group_free = [](void* group) { delete static_cast<Group*>(group); },
    .group_add_window =
        [](void* group, void* const* bases, size_t own_bytes) {
          return boundary([&] { group_of(group).add_window(bases, own_bytes); });
        },
    .exchange = [](void* group, const banyan_device_move* moves,
                   void*) { return boundary([&] { group_of(group).exchange(moves); }); },
    .pull = [](void*, const banyan_device_move*,
               void*) { return boundary([] {
                          throw Failure{BANYAN_ERR_NOT_SUPPORTED, "no pulls here"};
                        }); },
    .tokens_area_bytes = tokens_area_bytes,
    .tokens_create =
        [](void* group, const banyan_device_tokens_config* config, void** tokens) {
          return boundary([&] { *tokens = std::make_unique<TokenExchange>(group_of(group), *config).release(); });
        },
    .tokens_free = [](void* tokens) { delete static_cast<TokenExchange*>(tokens); },
    .tokens_received =
        [](void* tokens, banyan_device_received* received) {
          return boundary([&] { tokens_of(tokens).received(*received); });
        },
    .tokens_dispatch = [](void* tokens, const banyan_device_dispatch* dispatch,
                          void*) { return boundary([&] { tokens_of(tokens).dispatch(*dispatch); }); },
    .tokens_combine = [](void* tokens, void* out, void*) { return boundary([&] { tokens_of(tokens).combine(out); }); },
    .group_failure =
        [](void* group, banyan_device_failure* failure) {
          *failure = group_of(group).failure();
          return BANYAN_OK;
        },
    .group_abort = [](void* group) { group_of(group).abort(); },
    .group_describe = group_describe,
};

}  // namespace
}  // namespace banyan::fake_device

extern "C" BANYAN_API const banyan_device_ops* banyan_device_query(uint32_t max_version) {
  return max_version >= BANYAN_DEVICE_ABI_VERSION ? &banyan::fake_device::kTable : nullptr;
}
