// SPDX-License-Identifier: Apache-2.0
// Large receives: read from the sender's memory, or arriving in pieces.
#include <algorithm>

#include "transport/shm/transport.hpp"

namespace banyan::transport::shm {
namespace {

/// Bytes read in one call of progress: some 100 us, so that other peers do not wait long.
constexpr size_t kPullBudget = size_t{1} << 20;
/// Where some ranks are on other hosts: some 10 us, so that wires do not run dry meanwhile (docs/decisions/0010; two
/// cards of 10 Gbit/s carry 64 KiB in 26 us). Each read costs a system call of 2 to 3 us.
constexpr size_t kPullBudgetBesideWires = size_t{64} << 10;

void notify(Peer& peer) noexcept { peer.header().notices.fetch_add(1, std::memory_order_release); }

}  // namespace

bool ShmTransport::claim(Peer& peer, banyan_transport_request* request, Incoming* incoming) noexcept {
  RequestState& state = state_of(request);
  Descriptor& descriptor = peer.descriptors[incoming->descriptor];
  const bool fits = incoming->size <= state.size;
  const bool read = peer.single_copy && incoming->size >= read_from_;
  const Descriptor::Phase next = !fits ? Descriptor::kDone : read ? Descriptor::kClaimed : Descriptor::kWanted;
  if (!descriptor.move(incoming->generation, Descriptor::kReady, next)) {
    Incoming::free(incoming);  // withdrawn by its sender
    return false;
  }
  if (next != Descriptor::kClaimed) {
    notify(peer);
  }
  incoming->receive = request;
  if (!fits) {
    error_.set(BANYAN_ERR_MISMATCH, "shm: message of {} bytes from peer {} tag {}, the receive has room for {}",
               incoming->size, request->peer, state.tag, state.size);
    end_large_receive(incoming, BANYAN_ERR_MISMATCH);
  } else if (read) {
    state.kind = kReceivePulling;
    pulls_.push(incoming);
  } else {
    state.kind = kReceiveArriving;
    peer.arriving.push(incoming);
  }
  return true;
}

void ShmTransport::end_large_receive(Incoming* incoming, banyan_status status) noexcept {
  banyan_transport_request* request = incoming->receive;
  request->received = incoming->size;
  Incoming::free(incoming);
  request->status = status;
}

int ShmTransport::pull() noexcept {
  int events = 0;
  // A pid may have gone to another process while nobody looked; the peer's death is noticed before its pid is used.
  if (Clock::now() >= next_check_) {
    events += check_peers();
  }
  const bool all_are_here = remote_.size() + 1 == static_cast<size_t>(size_);
  size_t budget = all_are_here ? kPullBudget : kPullBudgetBesideWires;
  while (budget > 0) {
    Incoming* incoming = pulls_.pop();
    if (incoming == nullptr) {
      break;
    }
    const size_t bytes = pull_piece(*peers_[static_cast<size_t>(incoming->receive->peer)], incoming, budget);
    budget -= std::min(budget, std::max(bytes, size_t{1}));
    ++events;
  }
  return events;
}

size_t ShmTransport::pull_piece(Peer& peer, Incoming* incoming, size_t budget) noexcept {
  const uint32_t generation = incoming->generation;
  Descriptor& descriptor = peer.descriptors[incoming->descriptor];
  const size_t bytes = std::min(budget, incoming->size - incoming->offset);
  auto* target = static_cast<std::byte*>(state_of(incoming->receive).recv_buffer) + incoming->offset;
  const RemoteRead result = read_process(peer.memory.pid, incoming->source + incoming->offset, target, bytes);
  if (result != RemoteRead::kDone) {
    pull_failed(peer, incoming, result);
    return bytes;
  }
  incoming->offset += bytes;
  const bool complete = incoming->offset == incoming->size;
  // Only if the sender has not withdrawn the message are the bytes those that it sent.
  const bool valid =
      complete ? descriptor.move(generation, Descriptor::kClaimed, Descriptor::kDone)
               : descriptor.state.load(std::memory_order_acquire) == Descriptor::pack(generation, Descriptor::kClaimed);
  if (!valid) {
    error_.set(BANYAN_ERR_PEER_FAILED, "shm: peer {} closed while its message of {} bytes was read", peer.rank,
               incoming->size);
    end_large_receive(incoming, BANYAN_ERR_PEER_FAILED);
  } else if (complete) {
    notify(peer);
    end_large_receive(incoming, BANYAN_OK);
  } else {
    pulls_.push_front(incoming);
  }
  return bytes;
}

void ShmTransport::pull_failed(Peer& peer, Incoming* incoming, RemoteRead result) noexcept {
  RequestState& state = state_of(incoming->receive);
  Descriptor& descriptor = peer.descriptors[incoming->descriptor];
  const auto finish = [&](Descriptor::Phase phase, banyan_status status) {
    if (descriptor.move(incoming->generation, Descriptor::kClaimed, phase)) {
      notify(peer);
    }
    end_large_receive(incoming, status);
  };
  switch (result) {
    case RemoteRead::kNotPermitted:
      if (descriptor.move(incoming->generation, Descriptor::kClaimed, Descriptor::kWanted)) {
        peer.single_copy = false;
        incoming->offset = 0;
        state.kind = kReceiveArriving;
        peer.arriving.push(incoming);
        notify(peer);
        return;
      }
      [[fallthrough]];
    case RemoteRead::kNoProcess:
    case RemoteRead::kDone:
      return finish(Descriptor::kDone,
                    error_.set(BANYAN_ERR_PEER_FAILED, "shm: peer {} died while its message of {} bytes was read",
                               peer.rank, incoming->size));
    case RemoteRead::kBadSource:
      return finish(Descriptor::kFailed,
                    error_.set(BANYAN_ERR_INVALID_ARGUMENT,
                               "shm: message of {} bytes from peer {} tag {}: its send buffer is not readable",
                               incoming->size, peer.rank, state.tag));
    case RemoteRead::kBadTarget:
      return finish(Descriptor::kDone,
                    error_.set(BANYAN_ERR_INVALID_ARGUMENT,
                               "shm: message of {} bytes from peer {} tag {}: the receive buffer at {} is not writable",
                               incoming->size, peer.rank, state.tag, state.recv_buffer));
    case RemoteRead::kNoMemory:
      return finish(Descriptor::kDone,
                    error_.set(BANYAN_ERR_NO_MEMORY, "shm: message of {} bytes from peer {}: no memory", incoming->size,
                               peer.rank));
  }
}

}  // namespace banyan::transport::shm
