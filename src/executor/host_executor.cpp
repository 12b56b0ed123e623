// SPDX-License-Identifier: Apache-2.0
#include "executor/host_executor.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace banyan::executor {

banyan_status HostExecutor::start(Program& program, const Exchange& exchange, uint64_t operation) noexcept {
  program_ = &program;
  exchange_ = exchange;
  operation_ = operation;
  error_.clear();
  disagrees_ = false;
  if (program.options_.rule.uniform) {
    for (auto& transfer : program.direct_sends_) {
      transfer.state = TransferState::kIdle;
    }
    described_ = program.direct_sends_.size();
  } else {
    try {
      begin_direct();
    } catch (const std::bad_alloc&) {
      program_ = nullptr;
      return fail(BANYAN_ERR_NO_MEMORY, "no memory for the list of pieces; BANYAN_CHUNK_BYTES sets their size");
    }
  }
  rewind_direct();
  for (auto& send : program.sends_) {
    send.state = TransferState::kIdle;
    send.missing = static_cast<int>(send.needs.size());
    send.num_pieces = 0;
  }
  for (auto& receive : program.receives_) {
    receive.state = TransferState::kIdle;
    receive.holders = static_cast<int>(receive.feeds.size());
    receive.slot = nullptr;
    receive.num_pieces = 0;
  }
  std::fill(program.ring_next_.begin(), program.ring_next_.end(), 0);
  std::fill(program.ring_sent_.begin(), program.ring_sent_.end(), 0);
  unissued_ = program.sends_.size();
  unfinished_ =
      program.sends_.size() + program.receives_.size() + program.direct_sends_.size() + program.direct_receives_.size();
  notes_[static_cast<size_t>(fabric_.rank)] = exchange.note_to(fabric_.rank);
  own_copied_ = 0;
  unfinished_ += exchange.send_size(fabric_.rank) > 0 ? 1 : 0;
  if (const banyan_status status = post_receives(); status != BANYAN_OK) {
    return status;
  }
  int events = 0;
  if (const banyan_status status = issue_ready(&events); status != BANYAN_OK) {
    return status;
  }
  if (const banyan_status status = issue_direct(&events); status != BANYAN_OK) {
    return status;
  }
  copy_own(&events);
  return BANYAN_OK;
}

/// The block that stays here, after what others wait for is on its way, and a large one by and by: a copy of a megabyte
/// takes longer than the wires have work for.
void HostExecutor::copy_own(int* events) noexcept {
  constexpr size_t kAtOnce = size_t{64} << 10;
  const size_t all = exchange_.send_size(fabric_.rank);
  if (own_copied_ == all) {
    return;
  }
  const size_t bytes = std::min(kAtOnce, all - own_copied_);
  std::memcpy(exchange_.recv_block(fabric_.rank) + own_copied_, exchange_.send_block(fabric_.rank) + own_copied_,
              bytes);
  own_copied_ += bytes;
  unfinished_ -= own_copied_ == all ? 1 : 0;
  ++*events;
}

banyan_status HostExecutor::post_receives() noexcept {
  for (auto& receive : program_->receives_) {
    if (receive.mapped) {
      continue;
    }
    if (const banyan_status status = post_receive(receive); status != BANYAN_OK) {
      return status;
    }
  }
  return post_direct_receives();
}

banyan_status HostExecutor::post_send(const Way& way, const void* buffer, size_t bytes, uint64_t tag,
                                      banyan_transport_request* request) noexcept {
  *request = {};
  const banyan_status status = fabric_.transport(way.peer, way.place)->post_send(way.peer, buffer, bytes, tag, request);
  if (status != BANYAN_OK) {
    return fail_request("cannot send to", way, status);
  }
  ++counters_.messages_sent;
  counters_.message_bytes += bytes;
  if (!fabric_.peers[static_cast<size_t>(way.peer)].same_host) {
    ++counters_.inter_host_messages;
    counters_.inter_host_bytes += bytes;
  }
  return BANYAN_OK;
}

banyan_status HostExecutor::issue(AggregatedSend& send, bool* issued) noexcept {
  *issued = false;
  transport::SlotHeader* slot = nullptr;
  std::byte* staging = program_->staging_.data() + send.staging_offset;
  size_t payload_bytes = 0;
  for (const BlockSource& source : send.blocks) {
    payload_bytes +=
        source.receive >= 0
            ? program_->receives_[static_cast<size_t>(source.receive)].sizes[static_cast<size_t>(source.index)]
            : (exchange_.uniform ? exchange_.block_bytes : inline_size(block_size(source)));
  }
  if (send.mapped) {
    transport::PeerLink& link = fabric_.peers[static_cast<size_t>(send.to)];
    slot = link.ring_out->reserve();
    if (slot == nullptr) {
      return BANYAN_OK;
    }
    std::byte* out = transport::payload(*slot);
    const size_t header = send.self_describing ? write_header(send, out) : 0;
    const bool apart = header + payload_bytes > link.ring_out->capacity();
    slot->operation = operation_;
    slot->fingerprint = fingerprint();
    slot->flags = apart ? kPayloadApart : 0;
    slot->size = header + payload_bytes;
    if (apart) {
      const banyan_status status = post_message(send, staging, gather(send, staging), 0);
      if (status != BANYAN_OK) {
        return status;
      }
    } else {
      gather(send, out + header);
      send.state = TransferState::kDone;
      --unfinished_;
    }
    link.ring_out->commit(*slot);
    ++counters_.mapped_writes;
    counters_.mapped_bytes += apart ? header : header + payload_bytes;
  } else {
    const size_t header = send.self_describing ? write_header(send, staging) : 0;
    const size_t bytes = header + gather(send, staging + header);
    if (const banyan_status status = post_message(send, staging, bytes, header); status != BANYAN_OK) {
      return status;
    }
  }
  for (const int receive : send.needs) {
    release(program_->receives_[static_cast<size_t>(receive)]);
  }
  *issued = true;
  return BANYAN_OK;
}

banyan_status HostExecutor::issue_ready(int* events) noexcept {
  if (unissued_ == 0) {
    return BANYAN_OK;
  }
  for (auto& send : program_->sends_) {
    // The receiver takes slots in the order of the schedule, so a send never overtakes one to the same ring.
    size_t& ring_sent = program_->ring_sent_[static_cast<size_t>(send.to)];
    if (send.state != TransferState::kIdle || send.missing > 0 || (send.mapped && send.ring_index != ring_sent)) {
      continue;
    }
    bool issued = false;
    if (const banyan_status status = issue(send, &issued); status != BANYAN_OK) {
      return status;
    }
    if (issued) {
      ring_sent += send.mapped ? 1 : 0;
      --unissued_;
      ++*events;
    }
  }
  return BANYAN_OK;
}

void HostExecutor::release(AggregatedReceive& receive) noexcept {
  if (--receive.holders <= 0 && receive.slot != nullptr) {
    fabric_.peers[static_cast<size_t>(receive.from)].ring_in->release(*receive.slot);
    receive.slot = nullptr;
  }
}

banyan_status HostExecutor::poll_rings(int* events) noexcept {
  for (const int peer : program_->ring_peers_) {
    const auto p = static_cast<size_t>(peer);
    const auto& order = program_->ring_order_[p];
    while (program_->ring_next_[p] < order.size()) {
      transport::SlotHeader* slot = fabric_.peers[p].ring_in->next();
      if (slot == nullptr) {
        break;
      }
      AggregatedReceive& receive = program_->receives_[static_cast<size_t>(order[program_->ring_next_[p]])];
      ++program_->ring_next_[p];
      ++*events;
      if (const banyan_status status = take_slot(receive, *slot); status != BANYAN_OK) {
        return status;
      }
    }
  }
  return BANYAN_OK;
}

banyan_status HostExecutor::poll_requests(int* events) noexcept {
  banyan_status status = BANYAN_OK;
  const auto poll = [&](auto& messages) {
    for (auto message = messages.begin(); message != messages.end() && status == BANYAN_OK; ++message) {
      if (message->state == TransferState::kPosted) {
        status = poll_message(*message, events);
      }
    }
  };
  poll(program_->receives_);
  poll(program_->sends_);
  return status;
}

banyan_status HostExecutor::progress(int* events) noexcept {
  *events = 0;
  if (program_ == nullptr) {
    return BANYAN_OK;
  }
  for (transport::Transport* transport : fabric_.transports) {
    int moved = 0;
    if (const banyan_status status = transport->progress(&moved); status != BANYAN_OK) {
      return fail(status, std::string(transport->name()) + ": " + transport->last_error());
    }
    *events += moved;
  }
  banyan_status status = poll_rings(events);
  if (status == BANYAN_OK) {
    status = poll_requests(events);
  }
  if (status == BANYAN_OK) {
    status = poll_direct(events);
  }
  if (status == BANYAN_OK) {
    status = issue_ready(events);
  }
  if (status == BANYAN_OK) {
    status = issue_direct(events);
  }
  if (status != BANYAN_OK) {
    return status;
  }
  copy_own(events);
  if (unfinished_ > 0) {
    return BANYAN_IN_PROGRESS;
  }
  status = exchange_.bounded() ? check_received() : BANYAN_OK;
  if (status == BANYAN_OK) {
    status = flush();
  }
  if (status == BANYAN_OK) {
    program_ = nullptr;
    ++counters_.operations;
  }
  return status;
}

}  // namespace banyan::executor
