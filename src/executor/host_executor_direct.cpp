// SPDX-License-Identifier: Apache-2.0
// Blocks that travel alone: which they are, and when they may go.
#include <algorithm>
#include <numeric>

#include "executor/host_executor.hpp"

namespace banyan::executor {

/// All-to-all-v: the pairs above the limit travel directly; both ends know which they are.
void HostExecutor::begin_direct() {
  Program& program = *program_;
  program.direct_sends_.clear();
  program.direct_receives_.clear();
  const CompileOptions& options = program.options_;
  for (const int peer : options.direct_send_order) {
    if (exchange_.send_size(peer) > options.rule.block_limit) {
      append_pair(program.direct_sends_, program.pair_to(peer, exchange_.send_size(peer)), options,
                  /*in_phases=*/false);
    }
  }
  for (const int peer : options.direct_receive_order) {
    if (exchange_.recv_size(peer) > options.rule.block_limit) {
      append_pair(program.direct_receives_, program.pair_from(peer, exchange_.recv_size(peer)), options,
                  /*in_phases=*/false);
    }
  }
  for (auto* transfers : {&program.direct_sends_, &program.direct_receives_}) {
    // Those inside the host come last, and stay as they are.
    const auto local = std::find_if(transfers->begin(), transfers->end(), [](const auto& t) { return t.phase < 0; });
    std::sort(transfers->begin(), local, [](const auto& a, const auto& b) { return a.order < b.order; });
  }
}

/// Forgets how far the last exchange came.
void HostExecutor::rewind_direct() noexcept {
  const auto count_remote = [](const std::vector<DirectTransfer>& transfers) {
    return static_cast<size_t>(std::count_if(transfers.begin(), transfers.end(),
                                             [](const DirectTransfer& transfer) { return transfer.phase >= 0; }));
  };
  remote_count_ = count_remote(program_->direct_sends_);
  remote_receives_ = count_remote(program_->direct_receives_);
  next_sent_ = 0;
  next_remote_ = 0;
  next_local_ = remote_count_;
  next_caught_up_ = 0;
  ahead_bytes_ = 0;
  next_missing_ = 0;
  sent_bytes_ = 0;
  received_bytes_ = 0;
  const auto remote_bytes = [](const std::vector<DirectTransfer>& transfers) {
    return std::accumulate(
        transfers.begin(), transfers.end(), size_t{0},
        [](size_t sum, const DirectTransfer& transfer) { return sum + (transfer.phase >= 0 ? transfer.bytes : 0); });
  };
  bytes_to_send_ = remote_bytes(program_->direct_sends_);
  bytes_to_receive_ = remote_bytes(program_->direct_receives_);
}

banyan_status HostExecutor::post_direct_receives() noexcept {
  for (auto& transfer : program_->direct_receives_) {
    transfer.request = {};
    transport::Transport& transport = *fabric_.transport(transfer.peer, transfer.place);
    const banyan_status status =
        transport.post_recv(transfer.peer, exchange_.recv_block(transfer.peer) + transfer.offset, transfer.bytes,
                            tag(transfer.tag, true), &transfer.request);
    if (status != BANYAN_OK) {
      return fail_request("cannot receive from", {transfer.peer, transfer.place}, status);
    }
    transfer.state = TransferState::kPosted;
  }
  return BANYAN_OK;
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
  if (exchange_.uniform) {
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
    DirectTransfer& transfer = program_->direct_sends_[next_remote_];
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
  if (transfer.state != TransferState::kPosted || transfer.request.status == BANYAN_IN_PROGRESS) {
    return BANYAN_OK;
  }
  ++*events;
  transfer.state = TransferState::kDone;
  --unfinished_;
  if (transfer.request.status != BANYAN_OK) {
    return fail_request("receiving from", {transfer.peer, transfer.place}, transfer.request.status);
  }
  if (transfer.request.received != transfer.bytes) {
    const size_t expected = exchange_.recv_size(transfer.peer);
    const size_t sent = expected - transfer.bytes + transfer.request.received;
    return fail(BANYAN_ERR_MISMATCH, sizes_differ(transfer.peer, fabric_.rank, sent, expected));
  }
  received_bytes_ += transfer.phase >= 0 ? transfer.bytes : 0;
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
