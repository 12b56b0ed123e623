// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>

#include "banyan/device_plugin.h"
#include "cuda/device.hpp"
#include "cuda/exchange.cuh"
#include "cuda/experts.hpp"
#include "cuda/failure.hpp"
#include "cuda/group.hpp"
#include "cuda/tokens.hpp"

namespace banyan::cuda {
namespace {

thread_local std::string error_text;

banyan_status keep(banyan_status status, const char* text) noexcept {
  try {
    error_text = text;
  } catch (const std::bad_alloc&) {
    error_text.clear();
  }
  return status;
}

/// Runs an operation; every exception becomes a status and this thread's text.
template <typename Body>
banyan_status boundary(Body body) noexcept {
  try {
    body();
    return BANYAN_OK;
  } catch (const Failure& failure) {
    return keep(failure.status, failure.text.c_str());
  } catch (const std::bad_alloc&) {
    return keep(BANYAN_ERR_NO_MEMORY, "no memory in the cuda device plugin");
  } catch (const std::exception& exception) {
    return keep(BANYAN_ERR_INTERNAL, exception.what());
  } catch (...) {
    return keep(BANYAN_ERR_INTERNAL, "unknown exception in the cuda device plugin");
  }
}

Device& device_of(void* device) noexcept { return *static_cast<Device*>(device); }
Group& group_of(void* group) noexcept { return *static_cast<Group*>(group); }
ExpertExchange& experts_of(void* experts) noexcept { return *static_cast<ExpertExchange*>(experts); }
TokenExchange& tokens_of(void* tokens) noexcept { return *static_cast<TokenExchange*>(tokens); }

banyan_status count(int* devices) noexcept {
  return boundary([&] {
    int found = 0;
    check(cudaGetDeviceCount(&found), "counting devices");
    *devices = found;
  });
}

banyan_status inspect_pointer(const void* address, banyan_device_pointer* pointer) noexcept {
  return boundary([&] { inspect(address, *pointer); });
}

banyan_status stream_device(void* stream, int* device) noexcept {
  return boundary([&] {
    const auto cuda_stream = static_cast<cudaStream_t>(stream);
    cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
    check(cudaStreamIsCapturing(cuda_stream, &capture), "asking whether a stream is captured");
    if (capture != cudaStreamCaptureStatusNone) {
      *device = -1;  // asking would end the capture; the launch into another device's stream fails by itself
      return;
    }
    check(cudaStreamGetDevice(cuda_stream, device), "asking for a stream's device");
  });
}

banyan_status open(const banyan_device_config* config, void** device) noexcept {
  return boundary([&] {
    if (config == nullptr || device == nullptr || config->struct_size < sizeof(*config) || !(config->timeout_s > 0)) {
      throw Failure{BANYAN_ERR_INVALID_ARGUMENT, "open needs a config of this version with a timeout, and an output"};
    }
    *device = std::make_unique<Device>(*config).release();
  });
}

void close(void* device) noexcept { delete static_cast<Device*>(device); }

const char* last_error() noexcept { return error_text.c_str(); }

banyan_status window_create(void* device, size_t size, void** base) noexcept {
  return boundary([&] { *base = device_of(device).create_window(size); });
}

banyan_status window_free(void* device, void* base) noexcept {
  return boundary([&] { device_of(device).free_window(base); });
}

banyan_status window_export(void* device, const void* address, void* handle, size_t* handle_size) noexcept {
  return boundary([&] {
    const std::string bytes = device_of(device).export_address(address);
    std::memcpy(handle, bytes.data(), bytes.size());
    *handle_size = bytes.size();
  });
}

banyan_status window_map(void* device, const void* handle, size_t handle_size, void** address,
                         void** mapping) noexcept {
  return boundary([&] {
    const auto mapped = device_of(device).map({static_cast<const char*>(handle), handle_size});
    *address = mapped.address;
    *mapping = mapped.token;
  });
}

banyan_status window_unmap(void* device, void* mapping) noexcept {
  return boundary([&] { device_of(device).unmap(mapping); });
}

size_t inbox_bytes(int num_ranks, size_t eager_bytes) noexcept {
  return InboxLayout{num_ranks, lines_of(eager_bytes)}.bytes();
}

banyan_status group_create(void* device, const banyan_device_group_config* config, void** group) noexcept {
  return boundary([&] {
    if (config == nullptr || config->struct_size < sizeof(*config)) {
      throw Failure{BANYAN_ERR_INVALID_ARGUMENT, "a group needs a config of this version"};
    }
    *group = std::make_unique<Group>(device_of(device), *config).release();
  });
}

void group_free(void* group) noexcept { delete static_cast<Group*>(group); }

banyan_status group_add_window(void* group, void* const* bases, size_t own_bytes) noexcept {
  return boundary([&] { group_of(group).add_window(bases, own_bytes); });
}

banyan_status exchange(void* group, const banyan_device_move* moves, void* stream) noexcept {
  return boundary([&] { group_of(group).exchange(moves, static_cast<cudaStream_t>(stream)); });
}

banyan_status pull(void* group, const banyan_device_move* moves, void* stream) noexcept {
  return boundary([&] { group_of(group).pull(moves, static_cast<cudaStream_t>(stream)); });
}

size_t tokens_area_bytes(int num_ranks, const banyan_device_tokens_config* config) noexcept {
  size_t bytes = 0;
  static_cast<void>(boundary([&] { bytes = TokenExchange::layout_of(num_ranks, *config).bytes(); }));
  return bytes;
}

banyan_status tokens_create(void* group, const banyan_device_tokens_config* config, void** tokens) noexcept {
  return boundary([&] { *tokens = std::make_unique<TokenExchange>(group_of(group), *config).release(); });
}

void tokens_free(void* tokens) noexcept { delete static_cast<TokenExchange*>(tokens); }

banyan_status tokens_received(void* tokens, banyan_device_received* received) noexcept {
  return boundary([&] { tokens_of(tokens).received(*received); });
}

banyan_status tokens_dispatch(void* tokens, const banyan_device_dispatch* dispatch, void* stream) noexcept {
  return boundary([&] { tokens_of(tokens).dispatch(*dispatch, static_cast<cudaStream_t>(stream)); });
}

banyan_status tokens_combine(void* tokens, void* out, void* stream) noexcept {
  return boundary([&] { tokens_of(tokens).combine(out, static_cast<cudaStream_t>(stream)); });
}

banyan_status group_failure(void* group, banyan_device_failure* failure) noexcept {
  *failure = group_of(group).failure();
  return BANYAN_OK;
}

void group_abort(void* group) noexcept { group_of(group).abort(); }

banyan_status group_describe(void* group, char* text, size_t size) noexcept {
  return boundary([&] {
    const std::string description = group_of(group).describe();
    if (size > 0) {
      const size_t length = std::min(size - 1, description.size());
      std::memcpy(text, description.data(), length);
      text[length] = '\0';
    }
  });
}

size_t experts_area_bytes(int num_ranks, const banyan_device_experts_config* config) noexcept {
  size_t bytes = 0;
  static_cast<void>(boundary([&] { bytes = ExpertExchange::layout_of(num_ranks, *config).bytes(); }));
  return bytes;
}

banyan_status experts_create(void* group, const banyan_device_experts_config* config, void** experts) noexcept {
  return boundary([&] { *experts = std::make_unique<ExpertExchange>(group_of(group), *config).release(); });
}

void experts_free(void* experts) noexcept { delete static_cast<ExpertExchange*>(experts); }

banyan_status experts_received(void* experts, banyan_device_expert_rows* received) noexcept {
  return boundary([&] { experts_of(experts).received(*received); });
}

banyan_status experts_dispatch(void* experts, const banyan_device_dispatch* dispatch, void* stream) noexcept {
  return boundary([&] { experts_of(experts).dispatch(*dispatch, static_cast<cudaStream_t>(stream)); });
}

banyan_status experts_combine(void* experts, void* out, int weighted, void* stream) noexcept {
  return boundary([&] { experts_of(experts).combine(out, weighted != 0, static_cast<cudaStream_t>(stream)); });
}

constexpr banyan_device_ops kTable = {
    BANYAN_DEVICE_ABI_VERSION,
    0,
    sizeof(banyan_device_ops),
    "cuda",
    count,
    inspect_pointer,
    stream_device,
    open,
    close,
    last_error,
    window_create,
    window_free,
    window_export,
    window_map,
    window_unmap,
    inbox_bytes,
    group_create,
    group_free,
    group_add_window,
    exchange,
    pull,
    tokens_area_bytes,
    tokens_create,
    tokens_free,
    tokens_received,
    tokens_dispatch,
    tokens_combine,
    group_failure,
    group_abort,
    group_describe,
    experts_area_bytes,
    experts_create,
    experts_free,
    experts_received,
    experts_dispatch,
    experts_combine,
};

}  // namespace
}  // namespace banyan::cuda

extern "C" BANYAN_API const banyan_device_ops* banyan_device_query(uint32_t max_version) {
  return max_version >= BANYAN_DEVICE_ABI_VERSION ? &banyan::cuda::kTable : nullptr;
}
