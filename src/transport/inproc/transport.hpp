// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "transport/error_text.hpp"
#include "transport/inproc/hub.hpp"
#include "transport/request_list.hpp"

namespace banyan::transport {

/// Ranks as threads of one process. Every message is an envelope in the receiver's lock-free mailbox; messages above
/// kInprocEagerBytes are copied once, by the receiver, and end at the sender when they are copied. A truncated message
/// ends with MISMATCH at the receiver and OK at the sender. One thread.
class InprocTransport {
 public:
  explicit InprocTransport(const banyan_transport_config& config);
  ~InprocTransport();
  InprocTransport(const InprocTransport&) = delete;
  InprocTransport& operator=(const InprocTransport&) = delete;

  [[nodiscard]] ErrorText& error() noexcept { return error_; }

  // Control path: throw Error.
  void get_address(void* address, size_t* size) const;
  [[nodiscard]] bool is_reachable(int peer, const void* address, size_t size) const;
  void connect(int peer, const void* address, size_t size);
  [[nodiscard]] void* window_create(size_t size, void** base);
  void window_export(void* window, void* handle, size_t* handle_size) const;
  [[nodiscard]] void* window_map(int peer, const void* handle, size_t handle_size, void** base);
  void window_unmap(void* mapping);
  void window_free(void* window);

  // Data path.
  banyan_status post_send(int peer, const void* buffer, size_t size, uint64_t tag,
                          banyan_transport_request* request) noexcept;
  banyan_status post_recv(int peer, void* buffer, size_t size, uint64_t tag,
                          banyan_transport_request* request) noexcept;
  int progress() noexcept;
  void cancel(banyan_transport_request* request) noexcept;

 private:
  static Envelope*& next_envelope(Envelope* envelope) noexcept { return envelope->next; }
  using EnvelopeList = Fifo<Envelope, next_envelope>;

  struct Peer {
    bool connected = false;
    bool closed = false;
    RequestList posted;       ///< receives without a message
    EnvelopeList unexpected;  ///< messages without a receive
  };

  struct Address {
    uint64_t magic;
    uint64_t comm_id;
    uint64_t hub;
    int32_t rank;
    int32_t reserved;
  };

  struct WindowHandle {
    Address owner;
    uint64_t id;
  };

  struct Window {
    uint64_t id;  ///< 0: a mapping
    std::shared_ptr<InprocMemory> memory;
  };

  [[nodiscard]] Address address_of(int rank) const noexcept;
  [[nodiscard]] bool is_address_of(int peer, const void* address, size_t size) const noexcept;
  [[nodiscard]] banyan_status check_post(int peer, const void* buffer, size_t size,
                                         banyan_transport_request* request) noexcept;
  [[nodiscard]] Envelope* acquire_envelope(size_t size) noexcept;
  [[nodiscard]] bool deliver(Envelope* envelope, banyan_transport_request* request) noexcept;
  int take_incoming() noexcept;
  int take_returned() noexcept;
  int end_cancelled() noexcept;
  int fail_closed_peers() noexcept;
  void fail_peer(int peer) noexcept;
  [[nodiscard]] bool withdraw(Envelope& envelope) noexcept;

  InprocHub& hub_;
  InprocSlot& slot_;
  int rank_;
  uint64_t comm_id_;
  uint32_t closings_seen_ = 0;
  std::vector<Peer> peers_;
  Envelope* free_ = nullptr;
  RequestList cancelled_;
  std::vector<std::unique_ptr<Window>> windows_;
  ErrorText error_;
};

}  // namespace banyan::transport
