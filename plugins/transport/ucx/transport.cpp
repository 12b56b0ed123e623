// SPDX-License-Identifier: Apache-2.0
#include "ucx/transport.hpp"

#include <cstdarg>
#include <cstdio>

#include "ucx/interfaces.hpp"
#include "ucx/status.hpp"

namespace banyan::ucx {
namespace {

constexpr ucp_tag_t kFullMask = ~ucp_tag_t{0};

ucp_tag_t ucx_tag(int sender, uint64_t tag) noexcept {
  return (static_cast<ucp_tag_t>(static_cast<uint32_t>(sender)) << kTagBits) | tag;
}

std::string text_or_empty(const char* text) { return text != nullptr ? text : ""; }

void check_config(const banyan_transport_config& config) {
  if (config.size < 1 || config.size > kMaxRanks || config.rank < 0 || config.rank >= config.size) {
    throw Failure{BANYAN_ERR_INVALID_ARGUMENT, "rank " + std::to_string(config.rank) + " of size " +
                                                   std::to_string(config.size) + " is out of range; at most " +
                                                   std::to_string(kMaxRanks) + " ranks"};
  }
}

}  // namespace

Transport::Transport(const banyan_transport_config& config)
    : library_((check_config(config), Library::load())),
      rank_(config.rank),
      comm_id_(config.comm_id),
      timeout_s_(config.timeout_s),
      families_(interface_families(text_or_empty(config.interface_name))),
      worker_(library_, {.interfaces = text_or_empty(config.interface_name),
                         .rdma = (families_ & kFamilyRdma) != 0,
                         .size = config.size}),
      pool_(worker_.request_size()),
      peers_(static_cast<size_t>(config.size)) {
  leaving_.reserve(2 * peers_.size() + 1);  // a flush and a close each, one of all: no allocation later
  for (int rank = 0; rank < config.size; ++rank) {
    peers_[static_cast<size_t>(rank)].transport = this;
    peers_[static_cast<size_t>(rank)].rank = rank;
  }
}

std::string Transport::address() const {
  Address address{.families = families_, .comm_id = comm_id_, .rank = rank_, .rails = {worker_.address(false)}};
  std::string bytes = encode(address);
  if (bytes.size() > BANYAN_TRANSPORT_MAX_ADDRESS) {
    // Many devices: leave out the shared-memory part, the library has its own transport inside a host.
    address.rails = {worker_.address(true)};
    bytes = encode(address);
  }
  if (bytes.size() > BANYAN_TRANSPORT_MAX_ADDRESS) {
    throw Failure{BANYAN_ERR_LIMIT, "ucx address has " + std::to_string(bytes.size()) + " bytes, at most " +
                                        std::to_string(BANYAN_TRANSPORT_MAX_ADDRESS) + " fit; name fewer interfaces"};
  }
  return bytes;
}

Address Transport::checked_address(int rank, const void* bytes, size_t size) const {
  if (rank < 0 || static_cast<size_t>(rank) >= peers_.size()) {
    throw Failure{BANYAN_ERR_INVALID_ARGUMENT,
                  "peer " + std::to_string(rank) + " is not in [0, " + std::to_string(peers_.size()) + ")"};
  }
  Address address = decode(bytes, size);
  if (address.comm_id != comm_id_ || address.rank != rank) {
    throw Failure{BANYAN_ERR_NOT_SUPPORTED, "the address given for peer " + std::to_string(rank) + " is of rank " +
                                                std::to_string(address.rank) + " of communicator " +
                                                std::to_string(address.comm_id) + ", this one is " +
                                                std::to_string(comm_id_)};
  }
  return address;
}

void Transport::check_reachable(int rank, const void* bytes, size_t size) const {
  const Address address = checked_address(rank, bytes, size);
  if (address.families != 0 && families_ != 0 && (address.families & families_) == 0) {
    throw Failure{BANYAN_ERR_NOT_SUPPORTED, "peer " + std::to_string(rank) + " shares no kind of network with rank " +
                                                std::to_string(rank_) + ": families " +
                                                std::to_string(address.families) + " and " + std::to_string(families_) +
                                                " (1 IPv4, 2 IPv6, 4 RDMA); check the interface names"};
  }
}

void Transport::connect(int rank, const void* bytes, size_t size) {
  const Address address = checked_address(rank, bytes, size);
  Peer& peer = peers_[static_cast<size_t>(rank)];
  if (!peer.address.empty() && peer.address != address.rails.front()) {
    throw Failure{BANYAN_ERR_BUSY, "peer " + std::to_string(rank) + " is already connected at another address"};
  }
  peer.address = address.rails.front();
}

banyan_status Transport::fail(banyan_status status, const char* format, ...) noexcept {
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(error_.data(), error_.size(), format, arguments);
  va_end(arguments);
  return status;
}

banyan_status Transport::tell_failure(const Peer& peer) noexcept {
  return fail(BANYAN_ERR_PEER_FAILED, "peer %d is gone: ucx says %s; its process died, left, or cannot be reached",
              peer.rank, library_.status_string(peer.failure));
}

banyan_status Transport::refuse(banyan_transport_request* request, banyan_status status) noexcept {
  request->status = status;
  return status;
}

banyan_status Transport::check_post(int rank, uint64_t tag) noexcept {
  if (rank < 0 || static_cast<size_t>(rank) >= peers_.size()) {
    return fail(BANYAN_ERR_INVALID_ARGUMENT, "peer %d is not in [0, %zu)", rank, peers_.size());
  }
  if (tag > kMaxTag) {
    return fail(BANYAN_ERR_INVALID_ARGUMENT, "tag %#llx does not fit in %d bits", static_cast<unsigned long long>(tag),
                kTagBits);
  }
  if (peers_[static_cast<size_t>(rank)].address.empty()) {
    return fail(BANYAN_ERR_INVALID_ARGUMENT, "peer %d was not connected", rank);
  }
  return BANYAN_OK;
}

bool Transport::ensure_endpoint(Peer& peer) noexcept {
  if (peer.endpoint != nullptr) {
    return true;
  }
  if (peer.failure != UCS_OK) {
    return false;
  }
  // The own rank cannot fail, and unwatched endpoints may use UCX's loopback transport.
  const Worker::FailureHandler handler = peer.rank == rank_ ? nullptr : on_failure;
  peer.failure = worker_.create_endpoint(peer.address, handler, &peer, &peer.endpoint);
  if (peer.failure != UCS_OK) {
    peer.endpoint = nullptr;
    peer.noticed = true;
  }
  return peer.failure == UCS_OK;
}

Operation* Transport::begin(Peer& peer, size_t size, uint64_t tag, banyan_transport_request* request) noexcept {
  Operation* operation = pool_.take();
  if (operation == nullptr) {
    fail(BANYAN_ERR_NO_MEMORY, "no memory for another request to peer %d", peer.rank);
    return nullptr;
  }
  operation->transport = this;
  operation->peer = &peer;
  operation->request = request;
  operation->size = size;
  operation->tag = tag;
  operation->previous = nullptr;
  operation->next = peer.outstanding;
  if (peer.outstanding != nullptr) {
    peer.outstanding->previous = operation;
  }
  peer.outstanding = operation;
  request->internal[0] = operation;
  request->peer = peer.rank;
  request->received = 0;
  request->status = BANYAN_IN_PROGRESS;
  return operation;
}

void Transport::end(Operation* operation, banyan_status status) noexcept {
  if (operation->previous != nullptr) {
    operation->previous->next = operation->next;
  } else {
    operation->peer->outstanding = operation->next;
  }
  if (operation->next != nullptr) {
    operation->next->previous = operation->previous;
  }
  banyan_transport_request* request = operation->request;
  pool_.give(operation);
  if (request != nullptr) {
    request->internal[0] = nullptr;
    request->status = status;
  }
}

void Transport::end_send(Operation* operation, ucs_status_t status) noexcept {
  const Peer& peer = *operation->peer;
  banyan_status result = BANYAN_OK;
  if (status == UCS_OK) {
  } else if (peer.failure != UCS_OK || to_status(status) == BANYAN_ERR_PEER_FAILED) {
    result = tell_failure(peer);
  } else {
    result = fail(to_status(status), "send of %zu bytes to peer %d, tag %#llx: ucx says %s", operation->size, peer.rank,
                  static_cast<unsigned long long>(operation->tag), library_.status_string(status));
  }
  end(operation, result);
}

void Transport::end_receive(Operation* operation, ucs_status_t status, size_t received) noexcept {
  const Peer& peer = *operation->peer;
  const auto tag = static_cast<unsigned long long>(operation->tag);
  banyan_status result = BANYAN_OK;
  if (status == UCS_OK) {
    if (operation->request != nullptr) {
      operation->request->received = received;
    }
  } else if (status == UCS_ERR_MESSAGE_TRUNCATED) {
    result = fail(BANYAN_ERR_MISMATCH, "peer %d sent %zu bytes with tag %#llx, rank %d expects at most %zu", peer.rank,
                  received, tag, rank_, operation->size);
  } else if (peer.failure != UCS_OK || to_status(status) == BANYAN_ERR_PEER_FAILED) {
    result = tell_failure(peer);
  } else {
    result = fail(to_status(status), "receive of %zu bytes from peer %d, tag %#llx: ucx says %s", operation->size,
                  peer.rank, tag, library_.status_string(status));
  }
  end(operation, result);
}

void Transport::on_send(void* ucx_request, ucs_status_t status, void* /*user_data*/) noexcept {
  auto* operation = static_cast<Operation*>(ucx_request);
  operation->transport->end_send(operation, status);
}

void Transport::on_receive(void* ucx_request, ucs_status_t status, const ucp_tag_recv_info_t* info,
                           void* /*user_data*/) noexcept {
  auto* operation = static_cast<Operation*>(ucx_request);
  operation->transport->end_receive(operation, status, info->length);
}

banyan_status Transport::post_send(int rank, const void* buffer, size_t size, uint64_t tag,
                                   banyan_transport_request* request) noexcept {
  const banyan_status checked = check_post(rank, tag);
  if (checked != BANYAN_OK) {
    return refuse(request, checked);
  }
  Peer& peer = peers_[static_cast<size_t>(rank)];
  if (!ensure_endpoint(peer) || peer.failure != UCS_OK) {
    return refuse(request, tell_failure(peer));
  }
  Operation* operation = begin(peer, size, tag, request);
  if (operation == nullptr) {
    return refuse(request, BANYAN_ERR_NO_MEMORY);
  }
  operation->is_receive = false;
  ucp_request_param_t params;
  params.op_attr_mask = UCP_OP_ATTR_FIELD_REQUEST | UCP_OP_ATTR_FIELD_CALLBACK;
  params.request = operation;
  params.cb.send = on_send;
  unflushed_ = true;
  const ucs_status_ptr_t result = library_.tag_send_nbx(peer.endpoint, buffer, size, ucx_tag(rank_, tag), &params);
  if (!UCS_PTR_IS_PTR(result)) {
    end_send(operation, UCS_PTR_RAW_STATUS(result));
    return request->status;
  }
  return BANYAN_OK;
}

banyan_status Transport::post_recv(int rank, void* buffer, size_t size, uint64_t tag,
                                   banyan_transport_request* request) noexcept {
  const banyan_status checked = check_post(rank, tag);
  if (checked != BANYAN_OK) {
    return refuse(request, checked);
  }
  Peer& peer = peers_[static_cast<size_t>(rank)];
  // Also a receiver needs an endpoint: only those are watched. Without one, what had arrived can still be taken.
  [[maybe_unused]] const bool reachable = ensure_endpoint(peer);
  Operation* operation = begin(peer, size, tag, request);
  if (operation == nullptr) {
    return refuse(request, BANYAN_ERR_NO_MEMORY);
  }
  operation->is_receive = true;
  ucp_request_param_t params;
  // Without immediate completion: UCX 1.13 gives the size of a message that is too long only to the callback.
  params.op_attr_mask = UCP_OP_ATTR_FIELD_REQUEST | UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FLAG_NO_IMM_CMPL;
  params.request = operation;
  params.cb.recv = on_receive;
  const ucs_status_ptr_t result =
      library_.tag_recv_nbx(worker_.handle(), buffer, size, ucx_tag(rank, tag), kFullMask, &params);
  if (UCS_PTR_IS_ERR(result)) {
    end_receive(operation, UCS_PTR_RAW_STATUS(result), 0);
    return request->status;
  }
  if (peer.noticed && request->status == BANYAN_IN_PROGRESS) {
    cancel_or_detach(operation);
  }
  return request->status == BANYAN_ERR_PEER_FAILED ? BANYAN_ERR_PEER_FAILED : BANYAN_OK;
}

/// UCX ends a send of up to RNDV_THRESH bytes as soon as it has a copy, which waits for room in the socket.
banyan_status Transport::flush() noexcept {
  if (flushing_ == nullptr) {
    if (!unflushed_) {
      return BANYAN_OK;
    }
    unflushed_ = false;
    flushing_ = worker_.flush_all();
  }
  if (!worker_.ended(flushing_)) {
    return BANYAN_IN_PROGRESS;
  }
  flushing_ = nullptr;
  return unflushed_ ? BANYAN_IN_PROGRESS : BANYAN_OK;
}

banyan_status Transport::progress(int* events) noexcept {
  *events = static_cast<int>(worker_.progress());
  if (failures_to_notice_ > 0) {
    notice_failures();
    ++*events;
  }
  return BANYAN_OK;
}

banyan_status Transport::cancel(banyan_transport_request* request) noexcept {
  gave_up_ = true;
  if (request->status == BANYAN_IN_PROGRESS && request->internal[0] != nullptr) {
    library_.request_cancel(worker_.handle(), request->internal[0]);
  }
  return BANYAN_OK;
}

}  // namespace banyan::ucx
