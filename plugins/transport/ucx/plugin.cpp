// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>

#include "banyan/transport_plugin.h"
#include "ucx/library.hpp"
#include "ucx/status.hpp"
#include "ucx/transport.hpp"

namespace banyan::ucx {
namespace {

/// The text of an open() that failed, which has no object to keep it; last_error(NULL) gives it on the same thread.
thread_local std::string open_error;

/// Runs a control-path operation; every exception becomes a status, its text goes to `keep_text`.
template <typename Keep, typename Body>
banyan_status boundary(Keep keep_text, Body body) noexcept {
  const OwnCall own;
  try {
    body();
    return BANYAN_OK;
  } catch (const Failure& failure) {
    return keep_text(failure.status, failure.text.c_str());
  } catch (const std::bad_alloc&) {
    return keep_text(BANYAN_ERR_NO_MEMORY, "no memory in the ucx transport");
  } catch (const std::exception& exception) {
    return keep_text(BANYAN_ERR_INTERNAL, exception.what());
  } catch (...) {
    return keep_text(BANYAN_ERR_INTERNAL, "unknown exception in the ucx transport");
  }
}

Transport& object(void* transport) noexcept { return *static_cast<Transport*>(transport); }

auto keep_in(void* transport) noexcept {
  return [transport](banyan_status status, const char* text) noexcept {
    return object(transport).fail(status, "%s", text);
  };
}

banyan_status open(const banyan_transport_config* config, void** transport) noexcept {
  const auto keep = [](banyan_status status, const char* text) noexcept {
    try {
      open_error = text;
    } catch (const std::bad_alloc&) {
      open_error.clear();
    }
    return status;
  };
  return boundary(keep, [&] {
    if (config == nullptr || transport == nullptr || config->struct_size < sizeof(banyan_transport_config)) {
      throw Failure{BANYAN_ERR_INVALID_ARGUMENT, "open needs a config of this version and an output"};
    }
    *transport = std::make_unique<Transport>(*config).release();
  });
}

void close(void* transport) noexcept {
  const OwnCall own;
  delete static_cast<Transport*>(transport);
}

banyan_status get_address(void* transport, void* address, size_t* size) noexcept {
  return boundary(keep_in(transport), [&] {
    const std::string bytes = object(transport).address();
    std::memcpy(address, bytes.data(), bytes.size());
    *size = bytes.size();
  });
}

banyan_status is_reachable(void* transport, int peer, const void* address, size_t size) noexcept {
  return boundary(keep_in(transport), [&] { object(transport).check_reachable(peer, address, size); });
}

banyan_status connect(void* transport, int peer, const void* address, size_t size) noexcept {
  return boundary(keep_in(transport), [&] { object(transport).connect(peer, address, size); });
}

banyan_status post_send(void* transport, int peer, const void* buffer, size_t size, uint64_t tag,
                        banyan_transport_request* request) noexcept {
  const OwnCall own;
  return object(transport).post_send(peer, buffer, size, tag, request);
}

banyan_status post_recv(void* transport, int peer, void* buffer, size_t size, uint64_t tag,
                        banyan_transport_request* request) noexcept {
  const OwnCall own;
  return object(transport).post_recv(peer, buffer, size, tag, request);
}

banyan_status progress(void* transport, int* events) noexcept {
  const OwnCall own;
  return object(transport).progress(events);
}

banyan_status flush(void* transport) noexcept {
  const OwnCall own;
  return object(transport).flush();
}

banyan_status cancel(void* transport, banyan_transport_request* request) noexcept {
  const OwnCall own;
  return object(transport).cancel(request);
}

const char* last_error(void* transport) noexcept {
  return transport != nullptr ? object(transport).last_error() : open_error.c_str();
}

constexpr banyan_transport_ops make_ops() {
  banyan_transport_ops ops = {};
  ops.version = BANYAN_TRANSPORT_ABI_VERSION;
  ops.struct_size = sizeof(banyan_transport_ops);
  ops.name = "ucx";
  ops.capabilities = BANYAN_TRANSPORT_CAP_INTER_HOST | BANYAN_TRANSPORT_CAP_REPORTS_PEER_FAILURE;
  ops.open = open;
  ops.close = close;
  ops.get_address = get_address;
  ops.is_reachable = is_reachable;
  ops.connect = connect;
  ops.post_send = post_send;
  ops.post_recv = post_recv;
  ops.progress = progress;
  ops.cancel = cancel;
  ops.last_error = last_error;
  ops.flush = flush;
  return ops;
}

constexpr banyan_transport_ops kOps = make_ops();

}  // namespace
}  // namespace banyan::ucx

extern "C" BANYAN_API const banyan_transport_ops* banyan_transport_query(uint32_t max_version) {
  return max_version >= BANYAN_TRANSPORT_ABI_VERSION ? &banyan::ucx::kOps : nullptr;
}
