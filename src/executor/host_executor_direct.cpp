// SPDX-License-Identifier: Apache-2.0
// Blocks that travel alone: which they are, and when they may go.
#include <algorithm>

#include "executor/host_executor.hpp"

namespace banyan::executor {

/// All-to-all-v: the pairs above the limit travel directly; both ends know which they are. Those inside the host, which
/// the lists of peers have last, stay last. Pieces of the others are put in order, and described when they are posted.
void HostExecutor::begin_direct() {
  Program& program = *program_;
  const auto arrange = [&](const std::vector<int>& peers, std::vector<DirectTransfer>& transfers, ShareOrder& order,
                           RemotePieces& remote, auto pair_with) {
    program.pairs_.clear();
    size_t num_remote = 0;
    remote = {};
    for (const int peer : peers) {
      const DirectPair pair = pair_with(peer);
      if (pair.bytes > program.options_.rule.block_limit) {
        program.pairs_.push_back(pair);
        num_remote += pair.phase >= 0 ? 1 : 0;
        remote.bytes += pair.phase >= 0 ? pair.bytes : 0;
      }
    }
    const std::span<const DirectPair> pairs = program.pairs_;
    remote.count = order.arrange(pairs.first(num_remote), program.options_);
    transfers.resize(remote.count);
    for (const DirectPair& pair : pairs.subspan(num_remote)) {
      append_in_phases(transfers, pair, program.options_);
    }
  };
  arrange(program.options_.direct_send_order, program.direct_sends_, program.send_order_, program.remote_sends_,
          [&](int peer) { return program.pair_to(peer, exchange_.send_bound(peer)); });
  arrange(program.options_.direct_receive_order, program.direct_receives_, program.receive_order_,
          program.remote_receives_, [&](int peer) { return program.pair_from(peer, exchange_.recv_size(peer)); });
  described_ = 0;
  if (exchange_.bounded()) {
    begin_bounds();
  }
}

/// Forgets how far the last exchange came.
void HostExecutor::rewind_direct() noexcept {
  remote_count_ = program_->remote_sends_.count;
  remote_receives_ = program_->remote_receives_.count;
  bytes_to_send_ = program_->remote_sends_.bytes;
  bytes_to_receive_ = program_->remote_receives_.bytes;
  next_sent_ = 0;
  next_remote_ = 0;
  next_local_ = remote_count_;
  next_caught_up_ = 0;
  ahead_bytes_ = 0;
  next_missing_ = 0;
  sent_bytes_ = 0;
  received_bytes_ = 0;
}

banyan_status HostExecutor::post_direct_receives() noexcept {
  auto& receives = program_->direct_receives_;
  const uint64_t tag_of_exchange = tag(0, true);
  const size_t to_describe = program_->options_.rule.uniform ? 0 : remote_receives_;
  for (size_t i = 0; i < receives.size(); ++i) {
    DirectTransfer& transfer = receives[i];
    if (i < to_describe) {
      program_->receive_order_.describe_next(transfer);
    }
    transfer.request = {};
    transport::Transport& transport = *fabric_.transport(transfer.peer, transfer.place);
    const banyan_status status =
        transport.post_recv(transfer.peer, exchange_.recv_block(transfer.peer) + transfer.offset, transfer.bytes,
                            tag_of_exchange ^ transfer.tag, &transfer.request);
    if (status != BANYAN_OK) {
      for (; i < receives.size(); ++i) {
        receives[i].state = TransferState::kIdle;
      }
      return fail_request("cannot receive from", {transfer.peer, transfer.place}, status);
    }
    transfer.state = TransferState::kPosted;
  }
  return BANYAN_OK;
}

/// The next send to another host that is to be issued.
DirectTransfer& HostExecutor::next_remote_send() noexcept {
  DirectTransfer& transfer = program_->direct_sends_[next_remote_];
  if (next_remote_ == described_) {
    program_->send_order_.describe_next(transfer);
    ++described_;
  }
  return transfer;
}

/// Finds out anew how far the sends to other hosts are ahead of the receives.
void HostExecutor::catch_up() noexcept {
  const auto& receives = program_->direct_receives_;
  while (next_missing_ < remote_receives_ && receives[next_missing_].state == TransferState::kDone) {
    ++next_missing_;
  }
  const bool all_here = next_missing_ == remote_receives_;
  while (next_caught_up_ < next_remote_ &&
         (all_here || program_->direct_sends_[next_caught_up_].order < receives[next_missing_].order)) {
    ahead_bytes_ -= program_->direct_sends_[next_caught_up_++].bytes;
  }
}

/// Whether a send to another host must wait for this rank's receives (CompileOptions::window).
bool HostExecutor::runs_ahead(const DirectTransfer& transfer) const noexcept {
  const auto window = static_cast<size_t>(program_->options_.window);
  if (next_remote_ - next_caught_up_ < window || ahead_bytes_ + transfer.bytes <= program_->options_.window_bytes) {
    return false;
  }
  if (exchange_.uniform || bytes_to_receive_ == 0) {
    return true;
  }
  // Pairs of different sizes: one large receive must not hold up all sends. What is sent keeps to the share received.
  const double share = static_cast<double>(received_bytes_) / static_cast<double>(bytes_to_receive_);
  const auto allowed = static_cast<size_t>(share * static_cast<double>(bytes_to_send_));
  return sent_bytes_ > allowed + (window - 1) * program_->options_.chunk_bytes;
}

banyan_status HostExecutor::issue_direct(DirectTransfer& transfer) noexcept {
  const banyan_status status =
      post_send({transfer.peer, transfer.place}, exchange_.send_block(transfer.peer) + transfer.offset, transfer.bytes,
                tag(transfer.tag, true), &transfer.request);
  if (status == BANYAN_OK) {
    transfer.state = TransferState::kPosted;
  }
  return status;
}

/// To other hosts as many as may go; inside the host one at a time, so that its copies hold up no wire.
banyan_status HostExecutor::issue_direct(int* events) noexcept {
  banyan_status status = BANYAN_OK;
  catch_up();
  while (status == BANYAN_OK && next_remote_ < remote_count_) {
    DirectTransfer& transfer = next_remote_send();
    if (runs_ahead(transfer)) {
      break;
    }
    status = issue_direct(transfer);
    ahead_bytes_ += transfer.bytes;
    sent_bytes_ += transfer.bytes;
    ++next_remote_;
    ++*events;
  }
  if (status == BANYAN_OK && next_local_ < program_->direct_sends_.size()) {
    status = issue_direct(program_->direct_sends_[next_local_++]);
    ++*events;
  }
  return status;
}

banyan_status HostExecutor::poll_receive(DirectTransfer& transfer, int* events) noexcept {
  if (exchange_.bounded() && !transfer.withdrawn && transfer.state == TransferState::kPosted) {
    withdraw(transfer);
  }
  if (transfer.state != TransferState::kPosted || transfer.request.status == BANYAN_IN_PROGRESS) {
    return BANYAN_OK;
  }
  ++*events;
  transfer.state = TransferState::kDone;
  --unfinished_;
  if (transfer.withdrawn && transfer.request.status == BANYAN_ERR_ABORTED) {
    return BANYAN_OK;
  }
  if (transfer.request.status != BANYAN_OK) {
    return fail_request("receiving from", {transfer.peer, transfer.place}, transfer.request.status);
  }
  if (exchange_.bounded()) {
    direct_received_[static_cast<size_t>(transfer.peer)] += transfer.request.received;
  } else if (transfer.request.received != transfer.bytes) {
    const size_t expected = exchange_.recv_size(transfer.peer);
    const size_t sent = expected - transfer.bytes + transfer.request.received;
    return fail(BANYAN_ERR_MISMATCH, sizes_differ(transfer.peer, fabric_.rank, sent, expected));
  }
  received_bytes_ += transfer.remote ? transfer.request.received : 0;
  return BANYAN_OK;
}

banyan_status HostExecutor::poll_send(DirectTransfer& transfer, int* events) noexcept {
  if (transfer.state != TransferState::kPosted || transfer.request.status == BANYAN_IN_PROGRESS) {
    return BANYAN_OK;
  }
  ++*events;
  transfer.state = TransferState::kDone;
  --unfinished_;
  return transfer.request.status == BANYAN_OK
             ? BANYAN_OK
             : fail_request("sending to", {transfer.peer, transfer.place}, transfer.request.status);
}

/// Pieces come and go nearly in order, so only those near the first that is not done are looked at.
banyan_status HostExecutor::poll_direct(int* events) noexcept {
  constexpr size_t kLookAhead = 256;
  auto& receives = program_->direct_receives_;
  auto& sends = program_->direct_sends_;
  banyan_status status = BANYAN_OK;
  const auto look = [&](auto& transfers, size_t from, size_t to, auto poll) {
    for (size_t i = from; i < to && status == BANYAN_OK; ++i) {
      status = (this->*poll)(transfers[i], events);
    }
  };
  catch_up();
  look(receives, next_missing_, std::min(next_missing_ + kLookAhead, remote_receives_), &HostExecutor::poll_receive);
  look(receives, remote_receives_, receives.size(), &HostExecutor::poll_receive);
  while (next_sent_ < next_remote_ && sends[next_sent_].state == TransferState::kDone) {
    ++next_sent_;
  }
  look(sends, next_sent_, next_remote_, &HostExecutor::poll_send);
  look(sends, remote_count_, next_local_, &HostExecutor::poll_send);
  return status;
}

}  // namespace banyan::executor
