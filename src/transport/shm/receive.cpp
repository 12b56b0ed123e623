// SPDX-License-Identifier: Apache-2.0
// Receives: matching, and what comes out of the rings.
#include <cstring>

#include "transport/shm/transport.hpp"

namespace banyan::transport::shm {
namespace {

/// Records taken from one peer before the others are looked at.
constexpr int kDrainLimit = 64;

}  // namespace

banyan_status ShmTransport::post_recv(int rank, void* buffer, size_t size, uint64_t tag,
                                      banyan_transport_request* request) noexcept {
  if (const banyan_status status = check_post(rank, buffer, size, request); status != BANYAN_OK) {
    return status;
  }
  Peer& peer = *peers_[static_cast<size_t>(rank)];
  RequestState& state = start_request(request, rank, size, tag);
  state.kind = kReceivePosted;
  state.recv_buffer = buffer;
  while (Incoming* incoming = peer.unexpected.take_first([&](const Incoming* i) { return i->tag == tag; })) {
    if (deliver(peer, request, incoming)) {
      return BANYAN_OK;
    }
  }
  if (peer.failed) {
    return request->status = error_.set(BANYAN_ERR_PEER_FAILED, "shm: receive from peer {}, which failed", rank);
  }
  peer.posted.push(request);
  return BANYAN_OK;
}

int ShmTransport::drain(Peer& peer) noexcept {
  int events = 0;
  while (events < kDrainLimit) {
    RecordHeader* header = peer.reader.front();
    if (header == nullptr) {
      break;
    }
    const Record record{header->kind.load(std::memory_order_relaxed),
                        header->bytes,
                        header->tag,
                        header->size,
                        header->descriptor,
                        header->generation};
    const Taken taken = peer.reader.fits(record.bytes) ? take(peer, record, payload_of(header)) : Taken::kDamaged;
    if (taken == Taken::kDamaged) {
      fail_peer(peer, "wrote a damaged record");
      return events + 1;
    }
    if (taken == Taken::kNoMemory) {
      break;  // it stays in the ring and is tried again
    }
    peer.reader.pop(record.bytes);
    ++events;
  }
  poll_words_[peer.place] = peer.reader.poll_word();
  return events;
}

ShmTransport::Taken ShmTransport::take(Peer& peer, const Record& record, const std::byte* payload) noexcept {
  switch (record.kind) {
    case kEager:
      return take_eager(peer, record, payload);
    case kLarge:
      return take_large(peer, record, payload);
    case kData:
      return take_data(peer, record, payload);
    default:
      return Taken::kDamaged;
  }
}

ShmTransport::Taken ShmTransport::take_eager(Peer& peer, const Record& record, const std::byte* payload) noexcept {
  if (record.size != record.bytes) {
    return Taken::kDamaged;
  }
  banyan_transport_request* request =
      peer.posted.take_first([&](banyan_transport_request* r) { return state_of(r).tag == record.tag; });
  if (request != nullptr) {
    deliver_bytes(request, payload, record.bytes);
    return Taken::kYes;
  }
  Incoming* incoming = Incoming::make(record.bytes);
  if (incoming == nullptr) {
    return Taken::kNoMemory;
  }
  incoming->tag = record.tag;
  incoming->size = record.bytes;
  std::memcpy(incoming->payload(), payload, record.bytes);
  peer.unexpected.push(incoming);
  return Taken::kYes;
}

ShmTransport::Taken ShmTransport::take_large(Peer& peer, const Record& record, const std::byte* payload) noexcept {
  if (record.bytes != sizeof(uint64_t) || record.descriptor >= kDescriptors) {
    return Taken::kDamaged;
  }
  Incoming* incoming = Incoming::make(0);
  if (incoming == nullptr) {
    return Taken::kNoMemory;
  }
  incoming->tag = record.tag;
  incoming->size = record.size;
  incoming->large = true;
  incoming->descriptor = record.descriptor;
  incoming->generation = record.generation;
  std::memcpy(&incoming->source, payload, sizeof(incoming->source));
  banyan_transport_request* request =
      peer.posted.take_first([&](banyan_transport_request* r) { return state_of(r).tag == record.tag; });
  if (request == nullptr) {
    peer.unexpected.push(incoming);
  } else if (!deliver(peer, request, incoming)) {
    peer.posted.push_front(request);
  }
  return Taken::kYes;
}

ShmTransport::Taken ShmTransport::take_data(Peer& peer, const Record& record, const std::byte* payload) noexcept {
  Incoming* incoming = peer.arriving.take_first(
      [&](const Incoming* i) { return i->descriptor == record.descriptor && i->generation == record.generation; });
  if (incoming == nullptr) {
    return Taken::kDamaged;
  }
  peer.arriving.push_front(incoming);
  if (record.bytes > incoming->size - incoming->offset) {
    return Taken::kDamaged;
  }
  auto* target = static_cast<std::byte*>(state_of(incoming->receive).recv_buffer);
  std::memcpy(target + incoming->offset, payload, record.bytes);
  incoming->offset += record.bytes;
  if (incoming->offset == incoming->size) {
    end_large_receive(peer.arriving.pop(), BANYAN_OK);
  }
  return Taken::kYes;
}

void ShmTransport::deliver_bytes(banyan_transport_request* request, const void* bytes, size_t size) noexcept {
  const RequestState& state = state_of(request);
  request->received = size;
  if (size > state.size) {
    request->status =
        error_.set(BANYAN_ERR_MISMATCH, "shm: message of {} bytes from peer {} tag {}, the receive has room for {}",
                   size, request->peer, state.tag, state.size);
    return;
  }
  if (size > 0) {
    std::memcpy(state.recv_buffer, bytes, size);
  }
  request->status = BANYAN_OK;
}

bool ShmTransport::deliver(Peer& peer, banyan_transport_request* request, Incoming* incoming) noexcept {
  if (incoming->large) {
    return claim(peer, request, incoming);
  }
  if (incoming->sender != nullptr) {
    deliver_bytes(request, state_of(incoming->sender).send_buffer, incoming->size);
    incoming->sender->status = BANYAN_OK;
  } else {
    deliver_bytes(request, incoming->payload(), incoming->size);
  }
  Incoming::free(incoming);
  return true;
}

}  // namespace banyan::transport::shm
