// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "banyan/transport_plugin.h"

namespace banyan::transport {

/// A transport object: an ops table and what open() made. Thin: the data path is one indirect call. One thread at a
/// time.
class Transport {
 public:
  /// Opens; Error with the table's text. `ops` must be complete (see TransportRegistry) and outlive this object.
  Transport(const banyan_transport_ops& ops, const banyan_transport_config& config);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  [[nodiscard]] const char* name() const noexcept { return ops_.name; }
  [[nodiscard]] bool has(uint64_t capability) const noexcept { return (ops_.capabilities & capability) != 0; }
  [[nodiscard]] const char* last_error() const noexcept { return ops_.last_error(object_); }

  // Control path: throw Error.
  [[nodiscard]] std::string address();
  [[nodiscard]] bool is_reachable(int peer, const std::string& address);
  void connect(int peer, const std::string& address);

  // Data path: see the table in transport_plugin.h.
  [[nodiscard]] banyan_status post_send(int peer, const void* buffer, size_t size, uint64_t tag,
                                        banyan_transport_request* request) noexcept {
    return ops_.post_send(object_, peer, buffer, size, tag, request);
  }
  [[nodiscard]] banyan_status post_recv(int peer, void* buffer, size_t size, uint64_t tag,
                                        banyan_transport_request* request) noexcept {
    return ops_.post_recv(object_, peer, buffer, size, tag, request);
  }
  [[nodiscard]] banyan_status progress(int* events) noexcept { return ops_.progress(object_, events); }
  [[nodiscard]] banyan_status flush() noexcept { return ops_.flush(object_); }
  [[nodiscard]] banyan_status cancel(banyan_transport_request* request) noexcept {
    return ops_.cancel(object_, request);
  }

  /// Memory of this rank that peers map. Freed with the object.
  class Window {
   public:
    Window(Transport& transport, size_t size);
    ~Window();
    Window(const Window&) = delete;
    Window& operator=(const Window&) = delete;
    [[nodiscard]] void* base() const noexcept { return base_; }
    [[nodiscard]] std::string handle() const;

   private:
    Transport& transport_;
    void* window_ = nullptr;
    void* base_ = nullptr;
  };

  /// A peer's window, mapped here. Unmapped with the object.
  class Mapping {
   public:
    Mapping(Transport& transport, int peer, const std::string& handle);
    ~Mapping();
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    [[nodiscard]] void* base() const noexcept { return base_; }

   private:
    Transport& transport_;
    void* mapping_ = nullptr;
    void* base_ = nullptr;
  };

 private:
  const banyan_transport_ops& ops_;
  void* object_ = nullptr;
};

}  // namespace banyan::transport
