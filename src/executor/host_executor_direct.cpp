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
    if (exchange_.send_size(peer) > options.block_limit) {
      append_pair(program.direct_sends_, peer, options.send_phase[static_cast<size_t>(peer)], exchange_.send_size(peer),
                  options.chunk_bytes);
    }
  }
  for (const int peer : options.direct_receive_order) {
    if (exchange_.recv_size(peer) > options.block_limit) {
      append_pair(program.direct_receives_, peer, options.receive_phase[static_cast<size_t>(peer)],
                  exchange_.recv_size(peer), options.chunk_bytes);
    }
  }
}

/// Forgets how far the last exchange came.
void HostExecutor::rewind_direct() noexcept {
  const auto& sends = program_->direct_sends_;
  remote_count_ = static_cast<size_t>(
      std::count_if(sends.begin(), sends.end(), [](const DirectTransfer& transfer) { return transfer.phase >= 0; }));
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
    const banyan_status status = fabric_.peers[static_cast<size_t>(transfer.peer)].transport->post_recv(
        transfer.peer, exchange_.recv_block(transfer.peer) + transfer.offset, transfer.bytes, tag(transfer.tag, true),
        &transfer.request);
    if (status != BANYAN_OK) {
      return fail_request("cannot receive from", transfer.peer, status);
    }
    transfer.state = TransferState::kPosted;
  }
  return BANYAN_OK;
}

/// Finds out anew how far the sends to other hosts are ahead of the receives.
void HostExecutor::catch_up() noexcept {
  const auto& receives = program_->direct_receives_;
  while (next_missing_ < receives.size() && receives[next_missing_].phase >= 0 &&
         receives[next_missing_].state == TransferState::kDone) {
    ++next_missing_;
  }
  const bool all_here = next_missing_ == receives.size() || receives[next_missing_].phase < 0;
  const auto precedes = [](const DirectTransfer& a, const DirectTransfer& b) {
    return a.phase < b.phase || (a.phase == b.phase && a.chunk < b.chunk);
  };
  while (next_caught_up_ < next_remote_ &&
         (all_here || precedes(program_->direct_sends_[next_caught_up_], receives[next_missing_]))) {
    ahead_bytes_ -= program_->direct_sends_[next_caught_up_++].bytes;
  }
}

/// Whether a send to another host must wait for this rank's receives (CompileOptions::window).
bool HostExecutor::runs_ahead(const DirectTransfer& transfer) noexcept {
  catch_up();
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
  const banyan_status status = post_send(transfer.peer, exchange_.send_block(transfer.peer) + transfer.offset,
                                         transfer.bytes, tag(transfer.tag, true), &transfer.request);
  if (status == BANYAN_OK) {
    transfer.state = TransferState::kPosted;
  }
  return status;
}

/// To other hosts as many as may go; inside the host one at a time, so that its copies hold up no wire.
banyan_status HostExecutor::issue_direct(int* events) noexcept {
  banyan_status status = BANYAN_OK;
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

banyan_status HostExecutor::poll_direct(int* events) noexcept {
  for (auto& transfer : program_->direct_receives_) {
    if (transfer.state == TransferState::kPosted && transfer.request.status != BANYAN_IN_PROGRESS) {
      ++*events;
      transfer.state = TransferState::kDone;
      --unfinished_;
      if (transfer.request.status != BANYAN_OK) {
        return fail_request("receiving from", transfer.peer, transfer.request.status);
      }
      if (transfer.request.received != transfer.bytes) {
        const size_t expected = exchange_.recv_size(transfer.peer);
        const size_t sent = expected - transfer.bytes + transfer.request.received;
        return fail(BANYAN_ERR_MISMATCH, sizes_differ(transfer.peer, fabric_.rank, sent, expected));
      }
      received_bytes_ += transfer.phase >= 0 ? transfer.bytes : 0;
    }
  }
  for (auto& transfer : program_->direct_sends_) {
    if (transfer.state == TransferState::kPosted && transfer.request.status != BANYAN_IN_PROGRESS) {
      ++*events;
      transfer.state = TransferState::kDone;
      --unfinished_;
      if (transfer.request.status != BANYAN_OK) {
        return fail_request("sending to", transfer.peer, transfer.request.status);
      }
    }
  }
  return BANYAN_OK;
}

}  // namespace banyan::executor
