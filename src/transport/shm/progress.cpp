// SPDX-License-Identifier: Apache-2.0
// The progress loop, cancel, and peers that closed or died.
#include <cerrno>

#include "transport/shm/transport.hpp"

namespace banyan::transport::shm {
namespace {

using Clock = std::chrono::steady_clock;

/// How often peers are looked at; a dead one is reported within this time and the caller's pauses between calls.
constexpr auto kCheckInterval = std::chrono::milliseconds(5);
/// Calls of progress between two looks at the clock.
constexpr uint32_t kCallsPerClock = 32;

/// Polled in place of a failed peer's ring.
constinit const std::atomic<uint32_t> no_records{kNone};

}  // namespace

banyan_status ShmTransport::check_post(int rank, const void* buffer, size_t size,
                                       banyan_transport_request* request) noexcept {
  if (rank < 0 || rank >= size_ || peers_[static_cast<size_t>(rank)] == nullptr) {
    return request->status = error_.set(BANYAN_ERR_INVALID_ARGUMENT, "shm: peer {} is not connected", rank);
  }
  if (buffer == nullptr && size > 0) {
    return request->status =
               error_.set(BANYAN_ERR_INVALID_ARGUMENT, "shm: peer {} size {}: buffer is NULL", rank, size);
  }
  return BANYAN_OK;
}

int ShmTransport::progress() noexcept {
  int events = 0;
  for (size_t i = 0; i < poll_words_.size(); ++i) {
    if (poll_words_[i]->load(std::memory_order_relaxed) != kNone) {
      events += drain(*remote_[i]);
    }
  }
  if (segment_.header().notices.load(std::memory_order_relaxed) != notices_seen_) {
    events += settle_sends();
  }
  if (waiting_sends_ != 0) {
    events += continue_sends();
  }
  if (!pulls_.empty()) {
    events += pull();
  }
  if (!cancelled_.empty()) {
    events += end_cancelled();
  }
  if (++calls_ % kCallsPerClock == 0 && Clock::now() >= next_check_) {
    events += check_peers();
  }
  return events;
}

void ShmTransport::cancel(banyan_transport_request* request) noexcept {
  if (request->status != BANYAN_IN_PROGRESS) {
    return;
  }
  const auto is_request = [&](const banyan_transport_request* r) { return r == request; };
  bool taken = false;
  switch (state_of(request).kind) {
    case kReceivePosted:
      taken = peers_[static_cast<size_t>(request->peer)]->posted.take_first(is_request) != nullptr;
      break;
    case kSendWaiting:
    case kSendAnnounced:
      taken = cancel_send(request);
      break;
    default:
      break;  // its bytes are on their way; it ends by itself or with its peer
  }
  if (taken) {
    cancelled_.push(request);
  }
}

int ShmTransport::end_cancelled() noexcept {
  int events = 0;
  while (banyan_transport_request* request = cancelled_.pop()) {
    request->status = error_.set(BANYAN_ERR_ABORTED, "shm: request with peer {} was cancelled", request->peer);
    ++events;
  }
  return events;
}

int ShmTransport::check_peers() noexcept {
  next_check_ = Clock::now() + kCheckInterval;
  int events = 0;
  const bool any_died = !watches_.empty() && ::poll(watches_.data(), watches_.size(), 0) > 0;
  for (size_t i = 0; i < remote_.size(); ++i) {
    Peer& peer = *remote_[i];
    const bool died = any_died && watches_[i].revents != 0;
    if (peer.failed || (!died && peer.header().closed.load(std::memory_order_acquire) == 0)) {
      continue;
    }
    // What the peer wrote before its end is still received.
    for (int taken = drain(peer); taken > 0 && !peer.failed; taken = drain(peer)) {
      events += taken;
    }
    if (!peer.failed) {
      fail_peer(peer, died ? "died" : "closed its transport");
    }
    ++events;
  }
  return events;
}

void ShmTransport::fail_peer(Peer& peer, const char* cause) noexcept {
  (void)settle_sends();
  peer.failed = true;
  error_.set(BANYAN_ERR_PEER_FAILED, "shm: peer {} (process {}) {}", peer.rank, peer.memory.pid, cause);
  end_requests(peer);
  poll_words_[peer.place] = &no_records;
  watches_[peer.place].fd = -1;
  peer.process.reset();
  peer.segment_fd.reset();
}

void ShmTransport::end_requests(Peer& peer) noexcept {
  const auto of_peer = [&](const banyan_transport_request* r) { return r->peer == peer.rank; };
  while (banyan_transport_request* request = peer.posted.pop()) {
    request->status = BANYAN_ERR_PEER_FAILED;
  }
  while (banyan_transport_request* request = peer.pending.pop()) {
    --waiting_sends_;
    request->status = BANYAN_ERR_PEER_FAILED;
  }
  while (banyan_transport_request* request = peer.streaming.pop()) {
    --waiting_sends_;
    segment_.release(state_of(request).owner);
    request->status = BANYAN_ERR_PEER_FAILED;
  }
  while (banyan_transport_request* request = large_sends_.take_first(of_peer)) {
    segment_.release(state_of(request).owner);
    request->status = BANYAN_ERR_PEER_FAILED;
  }
  while (Incoming* incoming = peer.arriving.pop()) {
    end_large_receive(incoming, BANYAN_ERR_PEER_FAILED);
  }
  while (Incoming* incoming = pulls_.take_first([&](const Incoming* i) { return of_peer(i->receive); })) {
    end_large_receive(incoming, BANYAN_ERR_PEER_FAILED);
  }
  // Large messages go with their sender; whole ones may still be received.
  while (Incoming* incoming = peer.unexpected.take_first([](const Incoming* i) { return i->large; })) {
    Incoming::free(incoming);
  }
}

}  // namespace banyan::transport::shm
