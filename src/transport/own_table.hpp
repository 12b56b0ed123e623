// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <exception>
#include <new>

#include "banyan/transport_plugin.h"
#include "base/error.hpp"
#include "transport/error_text.hpp"

namespace banyan::transport {

/// The C table of one of the library's own transports: T has the table's operations as members; open, connect and the
/// window operations may throw Error, the data path may not.
template <typename T>
struct OwnTable {
  static T& self(void* transport) noexcept { return *static_cast<T*>(transport); }

  static ErrorText& open_error() noexcept {
    static thread_local ErrorText text;
    return text;
  }

  /// Runs `body`, turning what it throws into a status and a text.
  template <typename Body>
  static banyan_status guarded(ErrorText& text, Body&& body) noexcept {
    try {
      body();
      return BANYAN_OK;
    } catch (const Error& error) {
      return text.set(error.status(), "{}", error.what());
    } catch (const std::bad_alloc&) {
      return text.set(BANYAN_ERR_NO_MEMORY, "out of memory");
    } catch (const std::exception& error) {
      return text.set(BANYAN_ERR_INTERNAL, "{}", error.what());
    }
  }

  static banyan_status open(const banyan_transport_config* config, void** transport) {
    return guarded(open_error(), [&] {
      if (config->struct_size < sizeof(banyan_transport_config)) {
        throw Error(BANYAN_ERR_INVALID_ARGUMENT, "transport config: struct_size is too small");
      }
      if (config->size < 1 || config->rank < 0 || config->rank >= config->size) {
        throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                    fmt::format("transport config: rank {} is not within size {}", config->rank, config->size));
      }
      *transport = new T(*config);
    });
  }
  static void close(void* transport) { delete static_cast<T*>(transport); }
  static banyan_status get_address(void* transport, void* address, size_t* size) {
    return guarded(self(transport).error(), [&] { self(transport).get_address(address, size); });
  }
  static banyan_status is_reachable(void* transport, int peer, const void* address, size_t size) {
    bool reachable = false;
    const banyan_status status =
        guarded(self(transport).error(), [&] { reachable = self(transport).is_reachable(peer, address, size); });
    return status == BANYAN_OK && !reachable ? BANYAN_ERR_NOT_SUPPORTED : status;
  }
  static banyan_status connect(void* transport, int peer, const void* address, size_t size) {
    return guarded(self(transport).error(), [&] { self(transport).connect(peer, address, size); });
  }
  static banyan_status post_send(void* transport, int peer, const void* buffer, size_t size, uint64_t tag,
                                 banyan_transport_request* request) {
    return self(transport).post_send(peer, buffer, size, tag, request);
  }
  static banyan_status post_recv(void* transport, int peer, void* buffer, size_t size, uint64_t tag,
                                 banyan_transport_request* request) {
    return self(transport).post_recv(peer, buffer, size, tag, request);
  }
  static banyan_status progress(void* transport, int* events) {
    *events = self(transport).progress();
    return BANYAN_OK;
  }
  static banyan_status cancel(void* transport, banyan_transport_request* request) {
    self(transport).cancel(request);
    return BANYAN_OK;
  }
  static const char* last_error(void* transport) {
    return transport == nullptr ? open_error().get() : self(transport).error().get();
  }
  static banyan_status window_create(void* transport, size_t size, void** window, void** base) {
    return guarded(self(transport).error(), [&] { *window = self(transport).window_create(size, base); });
  }
  static banyan_status window_export(void* transport, void* window, void* handle, size_t* handle_size) {
    return guarded(self(transport).error(), [&] { self(transport).window_export(window, handle, handle_size); });
  }
  static banyan_status window_map(void* transport, int peer, const void* handle, size_t handle_size, void** mapping,
                                  void** base) {
    return guarded(self(transport).error(),
                   [&] { *mapping = self(transport).window_map(peer, handle, handle_size, base); });
  }
  static banyan_status window_unmap(void* transport, void* mapping) {
    return guarded(self(transport).error(), [&] { self(transport).window_unmap(mapping); });
  }
  static banyan_status window_free(void* transport, void* window) {
    return guarded(self(transport).error(), [&] { self(transport).window_free(window); });
  }

  static constexpr banyan_transport_ops table(const char* name, uint64_t capabilities) noexcept {
    return {
        .version = BANYAN_TRANSPORT_ABI_VERSION,
        .reserved = 0,
        .struct_size = sizeof(banyan_transport_ops),
        .name = name,
        .capabilities = capabilities,
        .open = open,
        .close = close,
        .get_address = get_address,
        .is_reachable = is_reachable,
        .connect = connect,
        .post_send = post_send,
        .post_recv = post_recv,
        .progress = progress,
        .cancel = cancel,
        .last_error = last_error,
        .register_memory = [](void*, void*, size_t, void**) { return BANYAN_ERR_NOT_SUPPORTED; },
        .deregister_memory = [](void*, void*) { return BANYAN_ERR_NOT_SUPPORTED; },
        .window_create = window_create,
        .window_export = window_export,
        .window_map = window_map,
        .window_unmap = window_unmap,
        .window_free = window_free,
        // What is sent lies in the receiver's memory, or its send is not done.
        .flush = [](void*) { return BANYAN_OK; },
    };
  }
};

}  // namespace banyan::transport
