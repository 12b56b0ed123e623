// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <poll.h>

#include <chrono>
#include <memory>
#include <vector>

#include "banyan/transport_plugin.h"
#include "transport/error_text.hpp"
#include "transport/shm/peer.hpp"
#include "transport/shm/remote_read.hpp"
#include "transport/shm/segment.hpp"

namespace banyan::transport::shm {

/// Ranks of one host that share a pid namespace. Small messages go through a ring in the receiver's segment; large ones
/// are read by the receiver straight from the sender's buffer (process_vm_readv), or pass the ring in pieces where the
/// system forbids that. Nothing has a name, so nothing is left behind by a killed process. A truncated message ends
/// with MISMATCH at the receiver and OK at the sender. One thread.
class ShmTransport {
 public:
  explicit ShmTransport(const banyan_transport_config& config);
  ~ShmTransport();
  ShmTransport(const ShmTransport&) = delete;
  ShmTransport& operator=(const ShmTransport&) = delete;

  [[nodiscard]] ErrorText& error() noexcept { return error_; }

  // Control path: throw Error.
  void get_address(void* address, size_t* size) const;
  [[nodiscard]] bool is_reachable(int peer, const void* address, size_t size);
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
  using Clock = std::chrono::steady_clock;
  /// A window of this rank or, without a descriptor, a mapping of a peer's.
  struct Window {
    Fd fd;
    SharedMapping memory;
  };

  /// What a request is doing; in its RequestState::kind.
  enum Kind : uint32_t {
    kSendWaiting,
    kSendAnnounced,
    kSendStreaming,
    kReceivePosted,
    kReceivePulling,
    kReceiveArriving
  };
  enum class Taken { kYes, kNoMemory, kDamaged };
  /// A record's header, copied out of the ring once: its writer may change it at any time.
  struct Record {
    uint32_t kind;
    uint32_t bytes;
    uint64_t tag;
    uint64_t size;
    uint32_t descriptor;
    uint32_t generation;
  };

  // transport.cpp
  [[nodiscard]] Address own_address() const;
  [[nodiscard]] Address parse_address(int peer, const void* address, size_t size) const;
  void open_segment(Peer& peer, const Address& address) const;
  void add_remote(Peer& peer);

  // window.cpp
  [[nodiscard]] void* keep(Fd fd, SharedMapping memory, void** base);

  // send.cpp
  [[nodiscard]] banyan_status map_outbox(Peer& peer) noexcept;
  [[nodiscard]] bool try_send(Peer& peer, banyan_transport_request* request) noexcept;
  [[nodiscard]] bool announce(Peer& peer, banyan_transport_request* request) noexcept;
  banyan_status send_to_self(Peer& self, banyan_transport_request* request) noexcept;
  [[nodiscard]] int settle_sends() noexcept;
  [[nodiscard]] bool settle_send(banyan_transport_request* request) noexcept;
  [[nodiscard]] int continue_sends() noexcept;
  [[nodiscard]] int stream(Peer& peer, banyan_transport_request* request) noexcept;
  [[nodiscard]] bool cancel_send(banyan_transport_request* request) noexcept;

  // receive.cpp
  [[nodiscard]] int drain(Peer& peer) noexcept;
  [[nodiscard]] Taken take(Peer& peer, const Record& record, const std::byte* payload) noexcept;
  [[nodiscard]] Taken take_eager(Peer& peer, const Record& record, const std::byte* payload) noexcept;
  [[nodiscard]] Taken take_large(Peer& peer, const Record& record, const std::byte* payload) noexcept;
  [[nodiscard]] Taken take_data(Peer& peer, const Record& record, const std::byte* payload) noexcept;
  void deliver_bytes(banyan_transport_request* request, const void* bytes, size_t size) noexcept;
  [[nodiscard]] bool deliver(Peer& peer, banyan_transport_request* request, Incoming* incoming) noexcept;

  // large_receive.cpp
  [[nodiscard]] bool claim(Peer& peer, banyan_transport_request* request, Incoming* incoming) noexcept;
  [[nodiscard]] int pull() noexcept;
  [[nodiscard]] size_t pull_piece(Peer& peer, Incoming* incoming, size_t budget) noexcept;
  void pull_failed(Peer& peer, Incoming* incoming, RemoteRead result) noexcept;
  void end_large_receive(Incoming* incoming, banyan_status status) noexcept;

  // progress.cpp
  [[nodiscard]] banyan_status check_post(int peer, const void* buffer, size_t size,
                                         banyan_transport_request* request) noexcept;
  [[nodiscard]] int end_cancelled() noexcept;
  [[nodiscard]] int check_peers() noexcept;
  void fail_peer(Peer& peer, const char* cause) noexcept;
  void end_requests(Peer& peer) noexcept;

  int rank_;
  int size_;
  uint64_t comm_id_;
  int64_t pid_;
  bool allow_single_copy_;
  size_t read_from_ = 0;  ///< large messages at least this long are read from the sender's memory
  Segment segment_;
  std::vector<std::unique_ptr<Peer>> peers_;              ///< by rank; null: not connected
  std::vector<Peer*> remote_;                             ///< connected peers but this rank
  std::vector<const std::atomic<uint32_t>*> poll_words_;  ///< of remote_
  std::vector<pollfd> watches_;                           ///< of remote_
  RequestList large_sends_;                               ///< announced, descriptor in the request
  IncomingList pulls_;                                    ///< messages being read from their senders
  RequestList cancelled_;                                 ///< end with the next progress
  size_t waiting_sends_ = 0;                              ///< in all peers' `pending` and `streaming`
  uint64_t notices_seen_ = 0;
  uint32_t calls_ = 0;
  Clock::time_point next_check_;
  std::vector<std::unique_ptr<Window>> windows_;
  ErrorText error_;
};

}  // namespace banyan::transport::shm
