// SPDX-License-Identifier: Apache-2.0
// How an exchange ends: flushed, failed, cancelled; and whom it waits for until then.
#include <algorithm>

#include "executor/host_executor.hpp"

namespace banyan::executor {

banyan_status HostExecutor::fail(banyan_status status, std::string text) noexcept {
  error_ = std::move(text);
  return status;
}

banyan_status HostExecutor::fail_request(const char* what, const Way& way, banyan_status status) noexcept {
  const transport::Transport* transport = fabric_.transport(way.peer, way.place);
  return fail(status, std::string(what) + " rank " + std::to_string(way.peer) + " over " + transport->name() + ": " +
                          transport->last_error());
}

/// OK when all has left this rank: after the exchange the caller may not come back for long, and peers must not wait
/// for it.
banyan_status HostExecutor::flush() noexcept {
  for (transport::Transport* transport : fabric_.transports) {
    const banyan_status status = transport->flush();
    if (status != BANYAN_OK && status != BANYAN_IN_PROGRESS) {
      return fail(status, std::string(transport->name()) + ": " + transport->last_error());
    }
    if (status == BANYAN_IN_PROGRESS) {
      unflushed_ = transport;
      return status;
    }
  }
  return BANYAN_OK;
}

bool HostExecutor::cancel_request(TransferState& state, const Way& way, banyan_transport_request& request) noexcept {
  if (state != TransferState::kPosted) {
    return true;
  }
  if (request.status == BANYAN_IN_PROGRESS) {
    static_cast<void>(fabric_.transport(way.peer, way.place)->cancel(&request));
  }
  if (request.status == BANYAN_IN_PROGRESS) {
    return false;
  }
  state = TransferState::kDone;
  return true;
}

bool HostExecutor::cancel_pieces(std::vector<Piece>& pieces, size_t count, const Way& first) noexcept {
  bool all = true;
  for (size_t k = 0; k < count; ++k) {
    all = cancel_request(pieces[k].state, {first.peer, first.place + static_cast<int>(k)}, pieces[k].request) && all;
  }
  return all;
}

bool HostExecutor::cancel() noexcept {
  if (program_ == nullptr) {
    return true;
  }
  for (transport::Transport* transport : fabric_.transports) {
    int moved = 0;
    static_cast<void>(transport->progress(&moved));
  }
  bool all = true;
  for (auto& receive : program_->receives_) {
    all = cancel_pieces(receive.pieces, receive.num_pieces, {receive.from, receive.place}) && all;
  }
  for (auto& send : program_->sends_) {
    all = cancel_pieces(send.pieces, send.num_pieces, {send.to, send.place}) && all;
  }
  for (auto& transfer : program_->direct_receives_) {
    all = cancel_request(transfer.state, {transfer.peer, transfer.place}, transfer.request) && all;
  }
  for (size_t i = 0; i < program_->direct_sends_.size(); ++i) {
    auto& transfer = program_->direct_sends_[i];
    all = (!issued(i) || cancel_request(transfer.state, {transfer.peer, transfer.place}, transfer.request)) && all;
  }
  if (all) {
    program_ = nullptr;
  }
  return all;
}

std::vector<int> HostExecutor::waiting_for() const {
  std::vector<int> peers;
  if (program_ == nullptr) {
    return peers;
  }
  // Whichever rail it is on.
  const auto may_be_here = [&](int peer) {
    const auto& rails = fabric_.rails;
    return leaving() && (fabric_.transport(peer, 0) == unflushed_ ||
                         (!fabric_.peers[static_cast<size_t>(peer)].same_host &&
                          std::find(rails.begin(), rails.end(), unflushed_) != rails.end()));
  };
  for (const auto& receive : program_->receives_) {
    if (receive.state != TransferState::kDone) {
      peers.push_back(receive.from);
    }
  }
  for (const auto& send : program_->sends_) {
    if (may_be_here(send.to) || send.state == TransferState::kPosted ||
        (send.state == TransferState::kIdle && send.missing == 0)) {
      peers.push_back(send.to);
    }
  }
  for (const auto& transfer : program_->direct_receives_) {
    if (transfer.state != TransferState::kDone) {
      peers.push_back(transfer.peer);
    }
  }
  for (size_t i = 0; i < program_->direct_sends_.size(); ++i) {
    const auto& transfer = program_->direct_sends_[i];
    if (issued(i) && (may_be_here(transfer.peer) || transfer.state == TransferState::kPosted)) {
      peers.push_back(transfer.peer);
    }
  }
  std::sort(peers.begin(), peers.end());
  peers.erase(std::unique(peers.begin(), peers.end()), peers.end());
  return peers;
}

}  // namespace banyan::executor
