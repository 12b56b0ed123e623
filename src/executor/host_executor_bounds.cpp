// SPDX-License-Identifier: Apache-2.0
// Exchanges whose receivers know bounds, not sizes. The pieces of large pairs, their order and their receives follow
// from the bounds, which both ends know, so that all is posted at once. What is sent is what there is: only pieces that
// it fills, the last one cut short, none if it fits an aggregated message. The headers of aggregated messages tell the
// size of every pair; receives of pieces that will not come are then taken back.
#include <algorithm>
#include <limits>

#include "executor/host_executor.hpp"
#include "schedule/size_list.hpp"

namespace banyan::executor {
namespace {

/// Until the header is here.
constexpr size_t kUnknown = std::numeric_limits<size_t>::max();

}  // namespace

/// What of a pair of this size travels alone.
size_t HostExecutor::direct_bytes(size_t size) const noexcept {
  return size > program_->options_.rule.block_limit ? size : 0;
}

/// Leaves of the sends what there is to send.
void HostExecutor::begin_bounds() noexcept {
  std::fill(received_.begin(), received_.end(), kUnknown);
  std::fill(direct_received_.begin(), direct_received_.end(), 0);
  received_[static_cast<size_t>(fabric_.rank)] = exchange_.send_size(fabric_.rank);
  auto& sends = program_->direct_sends_;
  RemotePieces& remote = program_->remote_sends_;
  for (size_t i = 0; i < remote.count; ++i) {
    program_->send_order_.describe_next(sends[i]);
  }
  remote = {};
  size_t kept = 0;
  for (DirectTransfer& transfer : sends) {
    const size_t bytes = direct_bytes(exchange_.send_size(transfer.peer));
    if (bytes <= transfer.offset) {
      continue;
    }
    transfer.bytes = std::min(transfer.bytes, bytes - transfer.offset);
    remote.count += transfer.remote ? 1 : 0;
    remote.bytes += transfer.remote ? transfer.bytes : 0;
    sends[kept++] = transfer;
  }
  sends.resize(kept);
  described_ = remote.count;
}

/// A header tells how much a rank sends to this one.
banyan_status HostExecutor::take_size(int from, size_t size) noexcept {
  const size_t expected = exchange_.recv_size(from);
  if (!exchange_.bounded()) {
    return size == std::min(expected, schedule::kMaxListedSize)
               ? BANYAN_OK
               : fail(BANYAN_ERR_MISMATCH, sizes_differ(from, fabric_.rank, size, expected));
  }
  if (size > expected) {
    return fail(BANYAN_ERR_MISMATCH, "rank " + std::to_string(from) + " sends " + std::to_string(size) +
                                         " bytes to rank " + std::to_string(fabric_.rank) + ", which has room for " +
                                         std::to_string(expected));
  }
  const auto at = static_cast<size_t>(from);
  received_[at] = size;
  if (program_->options_.receive_phase[at] >= 0) {
    bytes_to_receive_ -= direct_bytes(expected) - direct_bytes(size);
  }
  return BANYAN_OK;
}

/// Takes a receive back once it is known that nothing comes for it.
void HostExecutor::withdraw(DirectTransfer& transfer) noexcept {
  if (transfer.request.status != BANYAN_IN_PROGRESS ||
      transfer.offset < direct_bytes(received_[static_cast<size_t>(transfer.peer)])) {
    return;
  }
  transfer.withdrawn = true;
  static_cast<void>(fabric_.transport(transfer.peer, transfer.place)->cancel(&transfer.request));
}

/// Whether from every rank came what its header tells of.
banyan_status HostExecutor::check_received() noexcept {
  for (size_t from = 0; from < received_.size(); ++from) {
    const bool own = static_cast<int>(from) == fabric_.rank;
    if (received_[from] == kUnknown || (!own && direct_received_[from] != direct_bytes(received_[from]))) {
      return fail(BANYAN_ERR_MISMATCH, "rank " + std::to_string(from) + " told rank " + std::to_string(fabric_.rank) +
                                           " of another size than it sent: " + std::to_string(direct_received_[from]) +
                                           " bytes came directly");
    }
  }
  return BANYAN_OK;
}

}  // namespace banyan::executor
