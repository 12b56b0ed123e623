// SPDX-License-Identifier: Apache-2.0
#include "transport/inproc/transport.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "base/error.hpp"

namespace banyan::transport {
namespace {

constexpr uint64_t kMagic = UINT64_C(0x62616e79616e4950);
constexpr size_t kPage = 4096;

enum RequestKind : uint32_t { kSend, kRecv };

InprocHub& hub_of(const banyan_transport_config& config) {
  if (config.host_context == nullptr) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, "inproc: host_context must be the communicator's InprocHub");
  }
  auto& hub = *static_cast<InprocHub*>(config.host_context);
  if (hub.size() != config.size) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                fmt::format("inproc: communicator has {} ranks, its hub {}", config.size, hub.size()));
  }
  return hub;
}

}  // namespace

InprocTransport::InprocTransport(const banyan_transport_config& config)
    : hub_(hub_of(config)),
      slot_(hub_.slot(config.rank)),
      rank_(config.rank),
      comm_id_(config.comm_id),
      peers_(static_cast<size_t>(config.size)) {
  if (slot_.opened.exchange(true)) {
    throw Error(BANYAN_ERR_BUSY, fmt::format("inproc: rank {} was opened before in this hub; make a new hub", rank_));
  }
}

InprocTransport::~InprocTransport() {
  for (Envelope& envelope : slot_.envelopes) {
    (void)withdraw(envelope);
  }
  for (const auto& window : windows_) {
    hub_.remove_window(window->id);
  }
  slot_.closed.store(true, std::memory_order_release);
  hub_.closings().fetch_add(1, std::memory_order_release);
}

InprocTransport::Address InprocTransport::address_of(int rank) const noexcept {
  return {kMagic, comm_id_, reinterpret_cast<uintptr_t>(&hub_), rank, 0};
}

bool InprocTransport::is_address_of(int peer, const void* address, size_t size) const noexcept {
  const Address expected = address_of(peer);
  return size == sizeof(Address) && std::memcmp(address, &expected, sizeof(Address)) == 0;
}

void InprocTransport::get_address(void* address, size_t* size) const {
  const Address own = address_of(rank_);
  std::memcpy(address, &own, sizeof(own));
  *size = sizeof(own);
}

bool InprocTransport::is_reachable(int peer, const void* address, size_t size) const {
  return peer >= 0 && peer < hub_.size() && is_address_of(peer, address, size);
}

void InprocTransport::connect(int peer, const void* address, size_t size) {
  if (!is_reachable(peer, address, size)) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                fmt::format("inproc: {} bytes are not the address of peer {} in this hub", size, peer));
  }
  peers_[static_cast<size_t>(peer)].connected = true;
}

banyan_status InprocTransport::check_post(int peer, const void* buffer, size_t size,
                                          banyan_transport_request* request) noexcept {
  if (peer < 0 || peer >= hub_.size() || !peers_[static_cast<size_t>(peer)].connected) {
    return request->status = error_.set(BANYAN_ERR_INVALID_ARGUMENT, "inproc: peer {} is not connected", peer);
  }
  if (buffer == nullptr && size > 0) {
    return request->status =
               error_.set(BANYAN_ERR_INVALID_ARGUMENT, "inproc: peer {} size {}: buffer is NULL", peer, size);
  }
  return BANYAN_OK;
}

Envelope* InprocTransport::acquire_envelope(size_t size) noexcept {
  try {
    Envelope* envelope = free_;
    if (envelope == nullptr) {
      envelope = &slot_.envelopes.emplace_back();
      envelope->next = nullptr;
      free_ = envelope;
    }
    if (size <= kInprocEagerBytes && size > 0 && envelope->eager == nullptr) {
      envelope->eager = std::make_unique<std::byte[]>(kInprocEagerBytes);
    }
    free_ = envelope->next;
    return envelope;
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

banyan_status InprocTransport::post_send(int peer, const void* buffer, size_t size, uint64_t tag,
                                         banyan_transport_request* request) noexcept {
  if (const banyan_status status = check_post(peer, buffer, size, request); status != BANYAN_OK) {
    return status;
  }
  if (hub_.slot(peer).closed.load(std::memory_order_acquire)) {
    return request->status = error_.set(BANYAN_ERR_PEER_FAILED, "inproc: send to peer {}: it closed", peer);
  }
  Envelope* envelope = acquire_envelope(size);
  if (envelope == nullptr) {
    return request->status =
               error_.set(BANYAN_ERR_NO_MEMORY, "inproc: send to peer {} size {}: out of memory", peer, size);
  }
  RequestState& state = start_request(request, peer, size, tag);
  state.kind = kSend;
  state.link = envelope;
  const bool eager = size <= kInprocEagerBytes;
  envelope->source = rank_;
  envelope->destination = peer;
  envelope->tag = tag;
  envelope->size = size;
  envelope->data = eager ? envelope->eager.get() : buffer;
  envelope->request = eager ? nullptr : request;
  if (eager && size > 0) {
    std::memcpy(envelope->eager.get(), buffer, size);
  }
  envelope->state.store(Envelope::kReady, std::memory_order_relaxed);
  hub_.slot(peer).incoming.push(envelope);
  if (eager) {
    request->status = BANYAN_OK;
  }
  return BANYAN_OK;
}

bool InprocTransport::deliver(Envelope* envelope, banyan_transport_request* request) noexcept {
  uint32_t ready = Envelope::kReady;
  InprocSlot& source = hub_.slot(envelope->source);
  if (!envelope->state.compare_exchange_strong(ready, Envelope::kClaimed, std::memory_order_acquire)) {
    source.returned.push(envelope);
    return false;
  }
  const RequestState& state = state_of(request);
  banyan_status status = BANYAN_OK;
  request->received = envelope->size;
  if (envelope->size > state.size) {
    status =
        error_.set(BANYAN_ERR_MISMATCH, "inproc: message of {} bytes from peer {} tag {}, the receive has room for {}",
                   envelope->size, envelope->source, envelope->tag, state.size);
  } else if (envelope->size > 0) {
    std::memcpy(state.recv_buffer, envelope->data, envelope->size);
  }
  envelope->state.store(Envelope::kDone, std::memory_order_release);
  source.returned.push(envelope);
  request->status = status;
  return true;
}

banyan_status InprocTransport::post_recv(int peer, void* buffer, size_t size, uint64_t tag,
                                         banyan_transport_request* request) noexcept {
  if (const banyan_status status = check_post(peer, buffer, size, request); status != BANYAN_OK) {
    return status;
  }
  RequestState& state = start_request(request, peer, size, tag);
  state.kind = kRecv;
  state.recv_buffer = buffer;
  Peer& from = peers_[static_cast<size_t>(peer)];
  while (Envelope* envelope = from.unexpected.take_first([&](const Envelope* e) { return e->tag == tag; })) {
    if (deliver(envelope, request)) {
      return BANYAN_OK;
    }
  }
  if (from.closed) {
    return request->status = error_.set(BANYAN_ERR_PEER_FAILED, "inproc: receive from peer {}: it closed", peer);
  }
  from.posted.push(request);
  return BANYAN_OK;
}

int InprocTransport::take_incoming() noexcept {
  int events = 0;
  for (Envelope* envelope = slot_.incoming.take_all(); envelope != nullptr; ++events) {
    Envelope* next = envelope->next;
    Peer& from = peers_[static_cast<size_t>(envelope->source)];
    banyan_transport_request* request =
        from.posted.take_first([&](banyan_transport_request* r) { return state_of(r).tag == envelope->tag; });
    if (request == nullptr) {
      from.unexpected.push(envelope);
    } else if (!deliver(envelope, request)) {
      from.posted.push_front(request);
    }
    envelope = next;
  }
  return events;
}

int InprocTransport::take_returned() noexcept {
  int events = 0;
  for (Envelope* envelope = slot_.returned.take_all(); envelope != nullptr;) {
    Envelope* next = envelope->next;
    if (envelope->request != nullptr) {
      envelope->request->status = BANYAN_OK;
      envelope->request = nullptr;
      ++events;
    }
    envelope->state.store(Envelope::kFree, std::memory_order_relaxed);
    envelope->next = free_;
    free_ = envelope;
    envelope = next;
  }
  return events;
}

int InprocTransport::end_cancelled() noexcept {
  int events = 0;
  while (banyan_transport_request* request = cancelled_.pop()) {
    request->status = error_.set(BANYAN_ERR_ABORTED, "inproc: request with peer {} was cancelled", request->peer);
    ++events;
  }
  return events;
}

bool InprocTransport::withdraw(Envelope& envelope) noexcept {
  if (envelope.request == nullptr) {
    return false;
  }
  uint32_t ready = Envelope::kReady;
  if (envelope.state.compare_exchange_strong(ready, Envelope::kWithdrawn, std::memory_order_relaxed)) {
    return true;
  }
  // A receiver that claimed it is copying this moment; its memory must stay until the copy is done.
  while (envelope.state.load(std::memory_order_acquire) == Envelope::kClaimed) {
    std::this_thread::yield();
  }
  return false;
}

void InprocTransport::fail_peer(int peer) noexcept {
  Peer& from = peers_[static_cast<size_t>(peer)];
  from.closed = true;
  while (banyan_transport_request* request = from.posted.pop()) {
    request->status = error_.set(BANYAN_ERR_PEER_FAILED, "inproc: peer {} closed with a receive posted", peer);
  }
  error_.set(BANYAN_ERR_PEER_FAILED, "inproc: peer {} closed", peer);
  for (Envelope& envelope : slot_.envelopes) {
    if (envelope.destination == peer && withdraw(envelope)) {
      envelope.request->status = BANYAN_ERR_PEER_FAILED;
      envelope.request = nullptr;
    }
  }
}

int InprocTransport::fail_closed_peers() noexcept {
  const uint32_t closings = hub_.closings().load(std::memory_order_acquire);
  if (closings == closings_seen_) {
    return 0;
  }
  closings_seen_ = closings;
  // What a peer sent before it closed is in the mailbox by now and is still received.
  const int events = take_incoming() + take_returned();
  for (int peer = 0; peer < hub_.size(); ++peer) {
    if (!peers_[static_cast<size_t>(peer)].closed && hub_.slot(peer).closed.load(std::memory_order_acquire)) {
      fail_peer(peer);
    }
  }
  return events + 1;
}

int InprocTransport::progress() noexcept {
  return take_incoming() + take_returned() + end_cancelled() + fail_closed_peers();
}

void InprocTransport::cancel(banyan_transport_request* request) noexcept {
  if (request->status != BANYAN_IN_PROGRESS) {
    return;
  }
  RequestState& state = state_of(request);
  if (state.kind == kRecv) {
    RequestList& posted = peers_[static_cast<size_t>(request->peer)].posted;
    if (posted.take_first([&](const banyan_transport_request* r) { return r == request; }) != nullptr) {
      cancelled_.push(request);
    }
    return;
  }
  auto* envelope = static_cast<Envelope*>(state.link);
  if (envelope->request == request && withdraw(*envelope)) {
    envelope->request = nullptr;
    cancelled_.push(request);
  }
}

void* InprocTransport::window_create(size_t size, void** base) {
  if (size == 0 || size > SIZE_MAX - kPage) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT, fmt::format("inproc: window of {} bytes", size));
  }
  auto memory = std::make_shared<InprocMemory>((size + kPage - 1) / kPage * kPage);
  auto window = std::make_unique<Window>(Window{0, memory});
  windows_.reserve(windows_.size() + 1);
  window->id = hub_.add_window(std::move(memory));
  *base = window->memory->base();
  windows_.push_back(std::move(window));
  return windows_.back().get();
}

void InprocTransport::window_export(void* window, void* handle, size_t* handle_size) const {
  const WindowHandle exported{address_of(rank_), static_cast<Window*>(window)->id};
  std::memcpy(handle, &exported, sizeof(exported));
  *handle_size = sizeof(exported);
}

void* InprocTransport::window_map(int peer, const void* handle, size_t handle_size, void** base) {
  WindowHandle imported{};
  if (handle_size != sizeof(imported) || !is_reachable(peer, handle, sizeof(Address))) {
    throw Error(BANYAN_ERR_INVALID_ARGUMENT,
                fmt::format("inproc: {} bytes are no window handle of peer {}", handle_size, peer));
  }
  std::memcpy(&imported, handle, sizeof(imported));
  auto memory = hub_.window(imported.id);
  if (memory == nullptr) {
    throw Error(BANYAN_ERR_NOT_FOUND, fmt::format("inproc: peer {} has no window {}, it was freed", peer, imported.id));
  }
  windows_.push_back(std::make_unique<Window>(Window{0, std::move(memory)}));
  *base = windows_.back()->memory->base();
  return windows_.back().get();
}

void InprocTransport::window_unmap(void* mapping) {
  std::erase_if(windows_, [&](const auto& window) { return window.get() == mapping; });
}

void InprocTransport::window_free(void* window) {
  hub_.remove_window(static_cast<Window*>(window)->id);
  window_unmap(window);
}

}  // namespace banyan::transport
