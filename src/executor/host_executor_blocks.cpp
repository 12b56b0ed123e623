// SPDX-License-Identifier: Apache-2.0
// Blocks in messages: where they come from, what headers say of them, where they go.
#include <algorithm>
#include <cstring>

#include "executor/host_executor.hpp"
#include "schedule/size_list.hpp"

namespace banyan::executor {

std::string HostExecutor::sizes_differ(int from, int to, size_t sent, size_t expected) {
  return "rank " + std::to_string(from) + " sends " + std::to_string(sent) + " bytes to rank " + std::to_string(to) +
         ", which expects " + std::to_string(expected) +
         "; compare sendcounts on the first with recvcounts on the second";
}

size_t HostExecutor::inline_size(size_t size) const noexcept {
  return size <= program_->options_.rule.block_limit ? size : 0;
}

/// The true size of a block, also of one too large to be in the message.
size_t HostExecutor::block_size(const BlockSource& source) const noexcept {
  return exchange_.send_size(source.destination);
}

/// Writes the sizes of a self-describing message; returns the header's length.
size_t HostExecutor::write_header(const AggregatedSend& send, std::byte* out) noexcept {
  std::byte* end = out;
  for (const BlockSource& source : send.blocks) {
    const bool own = source.receive < 0;
    const auto* receive = own ? nullptr : &program_->receives_[static_cast<size_t>(source.receive)];
    const auto index = static_cast<size_t>(source.index);
    end = schedule::list_size(own ? block_size(source) : receive->listed[index], end);
    if (exchange_.carries_notes) {
      end = schedule::list_size(own ? exchange_.note_to(source.destination) : receive->notes[index], end);
    }
  }
  return static_cast<size_t>(end - out);
}

/// Copies the blocks of a send to `out`, back to back; returns their bytes.
size_t HostExecutor::gather(const AggregatedSend& send, std::byte* out) noexcept {
  size_t done = 0;
  for (const BlockSource& source : send.blocks) {
    const std::byte* from = nullptr;
    size_t size = 0;
    if (source.receive < 0) {
      size = exchange_.uniform ? exchange_.block_bytes : inline_size(exchange_.send_size(source.destination));
      from = exchange_.send_block(source.destination);
    } else {
      const AggregatedReceive& receive = program_->receives_[static_cast<size_t>(source.receive)];
      size = receive.sizes[static_cast<size_t>(source.index)];
      from = receive.data + receive.offsets[static_cast<size_t>(source.index)];
    }
    if (size > 0) {
      std::memcpy(out + done, from, size);
      done += size;
    }
  }
  return done;
}

/// Takes the sizes from the start of a message of which so many bytes are here; sets the length of the header, and of
/// the message as the header tells it.
banyan_status HostExecutor::read_header(AggregatedReceive& receive, const std::byte* start, size_t bytes,
                                        size_t* header_bytes, size_t* total_bytes) noexcept {
  const std::byte* at = start;
  size_t offset = 0;
  for (size_t i = 0; i < receive.blocks.size(); ++i) {
    at = schedule::read_size(at, start + bytes, &receive.listed[i]);
    if (at != nullptr && exchange_.carries_notes) {
      size_t note = 0;
      at = schedule::read_size(at, start + bytes, &note);
      receive.notes[i] = static_cast<uint32_t>(note);
    }
    if (at == nullptr) {
      return fail(BANYAN_ERR_MISMATCH, "the message from rank " + std::to_string(receive.from) + " has " +
                                           std::to_string(bytes) + " bytes and no header for " +
                                           std::to_string(receive.blocks.size()) + " blocks");
    }
    receive.sizes[i] = inline_size(receive.listed[i]);
    receive.offsets[i] = offset;
    offset += receive.sizes[i];
    const schedule::Block& block = receive.blocks[i];
    if (block.dst == fabric_.rank) {
      notes_[static_cast<size_t>(block.src)] = receive.notes[i];
      if (const banyan_status status = take_size(block.src, receive.listed[i]); status != BANYAN_OK) {
        return status;
      }
    }
  }
  *header_bytes = static_cast<size_t>(at - start);
  *total_bytes = *header_bytes + offset;
  return BANYAN_OK;
}

/// The blocks are here: stores this rank's, and counts down the sends that waited for the others.
banyan_status HostExecutor::arrived(AggregatedReceive& receive) noexcept {
  if (!receive.in_place) {
    for (const int index : receive.finals) {
      const auto i = static_cast<size_t>(index);
      if (receive.sizes[i] > 0) {
        std::memcpy(exchange_.recv_block(receive.blocks[i].src), receive.data + receive.offsets[i], receive.sizes[i]);
      }
    }
  }
  for (const int send : receive.feeds) {
    --program_->sends_[static_cast<size_t>(send)].missing;
  }
  receive.state = TransferState::kDone;
  --unfinished_;
  if (receive.feeds.empty()) {
    release(receive);
  }
  return BANYAN_OK;
}

banyan_status HostExecutor::other_call(int peer, uint64_t operation) noexcept {
  disagrees_ = operation == operation_;
  const std::string mine = "rank " + std::to_string(fabric_.rank);
  const std::string theirs = "rank " + std::to_string(peer);
  const std::string text = disagrees_ ? mine + " and " + theirs + " make call number " + std::to_string(operation_) +
                                            " with different operations, counts or algorithms"
                                      : mine + " is in call number " + std::to_string(operation_) + ", " + theirs +
                                            " in number " + std::to_string(operation);
  return fail(BANYAN_ERR_MISMATCH, text + "; make the same calls in the same order");
}

banyan_status HostExecutor::take_slot(AggregatedReceive& receive, transport::SlotHeader& slot) noexcept {
  if (slot.operation != operation_ || slot.fingerprint != fingerprint()) {
    return other_call(receive.from, slot.operation);
  }
  receive.slot = &slot;
  const std::byte* start = transport::payload(slot);
  size_t header = 0;
  if (receive.self_describing) {
    size_t total = 0;
    if (const banyan_status status = read_header(receive, start, slot.size, &header, &total); status != BANYAN_OK) {
      return status;
    }
    if (total != slot.size) {
      return fail_length(receive, slot.size, total);
    }
  }
  if ((slot.flags & kPayloadApart) == 0) {
    receive.data = start + header;
    return arrived(receive);
  }
  const size_t bytes = slot.size - header;
  if (bytes > receive.staging_bytes) {
    return fail(BANYAN_ERR_MISMATCH, sizes_differ(receive.from, fabric_.rank, slot.size, receive.staging_bytes));
  }
  return post_piece(receive, 0, staging(receive), bytes);
}

banyan_status HostExecutor::fail_length(const AggregatedReceive& receive, size_t bytes, size_t expected) noexcept {
  if (!receive.self_describing) {
    return fail(BANYAN_ERR_MISMATCH, sizes_differ(receive.from, fabric_.rank, bytes, expected));
  }
  return fail(BANYAN_ERR_MISMATCH, "the message from rank " + std::to_string(receive.from) + " has " +
                                       std::to_string(bytes) + " bytes, its header says " + std::to_string(expected));
}

/// All of a message is here.
banyan_status HostExecutor::finish_receive(AggregatedReceive& receive) noexcept {
  if (!receive.self_describing || receive.slot != nullptr) {  // else the header is before the data
    receive.data = staging(receive);
  }
  return arrived(receive);
}

}  // namespace banyan::executor
