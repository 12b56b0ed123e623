// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <span>

#include "transport/request_list.hpp"
#include "transport/shm/memory.hpp"
#include "transport/shm/ring.hpp"

namespace banyan::transport::shm {

/// What get_address writes. Travels between processes of one host only, hence plain memory order.
struct Address {
  uint64_t magic;
  uint64_t comm_id;
  int32_t rank;
  int32_t size;
  HostIdentity host;
  uint64_t token[2];
  uint64_t probe;        ///< where the token lies in the owner's address space
  MemoryAddress memory;  ///< the segment
};
static_assert(sizeof(Address) == 8 + 8 + 8 + 24 + 16 + 8 + 48);

/// A message on this side: without a receive yet, or a large one whose bytes are on their way.
struct Incoming {
  Incoming* next;
  uint64_t tag;
  size_t size;
  size_t offset;        ///< large: bytes copied so far
  uint64_t source;      ///< large: address in the sender's process
  uint32_t descriptor;  ///< large
  uint32_t generation;  ///< large
  bool large;
  banyan_transport_request* sender;   ///< loopback: the send that waits for this message; else null
  banyan_transport_request* receive;  ///< large: the receive it was matched with

  [[nodiscard]] std::byte* payload() noexcept { return reinterpret_cast<std::byte*>(this + 1); }

  /// With room for `bytes` of payload; nullptr when there is no memory.
  [[nodiscard]] static Incoming* make(size_t bytes) noexcept {
    void* memory = std::malloc(sizeof(Incoming) + bytes);
    return memory == nullptr ? nullptr : new (memory) Incoming{};
  }
  static void free(Incoming* incoming) noexcept { std::free(incoming); }
};

inline Incoming*& next_incoming(Incoming* incoming) noexcept { return incoming->next; }
using IncomingList = Fifo<Incoming, next_incoming>;

inline void free_all(IncomingList& list) noexcept {
  while (Incoming* incoming = list.pop()) {
    Incoming::free(incoming);
  }
}

/// One connected rank. Members are set by connect; lists hold requests of the caller.
struct Peer {
  Peer() = default;
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() {
    free_all(unexpected);
    free_all(arriving);
  }

  int rank = 0;
  size_t place = 0;  ///< among the transport's remote peers
  bool is_self = false;
  bool failed = false;
  bool single_copy = false;  ///< this process may read the peer's memory
  MemoryAddress memory{};
  Fd process;             ///< polls readable when the peer died; empty for a peer in this process
  Fd segment_fd;          ///< until `outbox` is mapped
  SharedMapping segment;  ///< of the peer, without rings
  SharedMapping inbox;    ///< ring in the own segment, written by the peer
  SharedMapping outbox;   ///< ring in the peer's segment, written here
  RingReader reader;
  RingWriter writer;
  std::span<RingPlace> directory;     ///< of the peer
  std::span<Descriptor> descriptors;  ///< of the peer

  RequestList posted;       ///< receives without a message
  IncomingList unexpected;  ///< messages without a receive
  IncomingList arriving;    ///< messages whose bytes come as kData records
  RequestList pending;      ///< sends that wait for room
  RequestList streaming;    ///< sends whose bytes go as kData records

  [[nodiscard]] SegmentHeader& header() const noexcept { return *reinterpret_cast<SegmentHeader*>(segment.base()); }
};

}  // namespace banyan::transport::shm
