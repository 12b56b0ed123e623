// SPDX-License-Identifier: Apache-2.0
// Aggregated messages on their way: cut into pieces where several rails carry them.
#include <algorithm>

#include "executor/host_executor.hpp"

namespace banyan::executor {

Cut HostExecutor::cut(const std::vector<Piece>& pieces, size_t total, size_t header) const noexcept {
  return cut_message(total, header, pieces.size(), program_->options_.least_piece_bytes);
}

banyan_status HostExecutor::post_message(AggregatedSend& send, const std::byte* start, size_t bytes,
                                         size_t header) noexcept {
  const Cut cut = this->cut(send.pieces, bytes, header);
  for (size_t k = 0; k < cut.count; ++k) {
    Piece& piece = send.pieces[k];
    piece.bytes = cut.bytes(k);
    const banyan_status status =
        post_send({send.to, send.place + static_cast<int>(k)}, start + cut.offset(k), piece.bytes,
                  tag(tag_bits(static_cast<uint32_t>(send.number)), false), &piece.request);
    if (status != BANYAN_OK) {
      return status;
    }
    piece.state = TransferState::kPosted;
    send.num_pieces = k + 1;
  }
  send.state = TransferState::kPosted;
  return BANYAN_OK;
}

banyan_status HostExecutor::post_piece(AggregatedReceive& receive, size_t number, std::byte* start,
                                       size_t bytes) noexcept {
  Piece& piece = receive.pieces[number];
  piece.bytes = bytes;
  piece.request = {};
  const Way way{receive.from, receive.place + static_cast<int>(number)};
  const banyan_status status =
      fabric_.transport(way.peer, way.place)
          ->post_recv(way.peer, start, bytes, tag(tag_bits(static_cast<uint32_t>(receive.number)), false),
                      &piece.request);
  if (status != BANYAN_OK) {
    return fail_request("cannot receive from", way, status);
  }
  piece.state = TransferState::kPosted;
  receive.num_pieces = number + 1;
  receive.state = TransferState::kPosted;
  return BANYAN_OK;
}

/// Of a message whose length is known all pieces; of one that describes itself the first, in as much memory as there
/// is.
banyan_status HostExecutor::post_receive(AggregatedReceive& receive) noexcept {
  if (receive.self_describing) {
    return post_piece(receive, 0, staging(receive), receive.staging_bytes);
  }
  const size_t total = receive.blocks.size() * program_->options_.rule.block_bytes;
  std::byte* start = receive.in_place ? exchange_.recv_block(receive.blocks[0].src) : staging(receive);
  const Cut cut = this->cut(receive.pieces, total, 0);
  banyan_status status = BANYAN_OK;
  for (size_t k = 0; k < cut.count && status == BANYAN_OK; ++k) {
    status = post_piece(receive, k, start + cut.offset(k), cut.bytes(k));
  }
  return status;
}

/// The first piece of a message that describes itself is here: takes its header, and posts what it tells of.
banyan_status HostExecutor::open_message(AggregatedReceive& receive) noexcept {
  const size_t here = receive.pieces[0].request.received;
  size_t header = 0;
  size_t total = 0;
  if (const banyan_status status = read_header(receive, staging(receive), here, &header, &total); status != BANYAN_OK) {
    return status;
  }
  receive.data = staging(receive) + header;
  const Cut cut = this->cut(receive.pieces, total, header);
  if (here != cut.first) {
    return fail_length(receive, here, cut.first);
  }
  banyan_status status = BANYAN_OK;
  for (size_t k = 1; k < cut.count && status == BANYAN_OK; ++k) {
    status = post_piece(receive, k, staging(receive) + cut.offset(k), cut.bytes(k));
  }
  return status;
}

banyan_status HostExecutor::poll_message(AggregatedReceive& receive, int* events) noexcept {
  for (size_t k = 0; k < receive.num_pieces; ++k) {
    Piece& piece = receive.pieces[k];
    if (piece.state != TransferState::kPosted || piece.request.status == BANYAN_IN_PROGRESS) {
      continue;
    }
    ++*events;
    piece.state = TransferState::kDone;
    if (piece.request.status != BANYAN_OK) {
      return fail_request("receiving from", {receive.from, receive.place + static_cast<int>(k)}, piece.request.status);
    }
    const bool opens = receive.self_describing && receive.slot == nullptr && k == 0;
    if (!opens && piece.request.received != piece.bytes) {
      return fail_length(receive, piece.request.received, piece.bytes);
    }
    if (opens) {
      if (const banyan_status status = open_message(receive); status != BANYAN_OK) {
        return status;
      }
    }
  }
  const bool all =
      std::all_of(receive.pieces.begin(), receive.pieces.begin() + static_cast<std::ptrdiff_t>(receive.num_pieces),
                  [](const Piece& piece) { return piece.state == TransferState::kDone; });
  return all ? finish_receive(receive) : BANYAN_OK;
}

banyan_status HostExecutor::poll_message(AggregatedSend& send, int* events) noexcept {
  bool all = true;
  for (size_t k = 0; k < send.num_pieces; ++k) {
    Piece& piece = send.pieces[k];
    if (piece.state == TransferState::kPosted && piece.request.status != BANYAN_IN_PROGRESS) {
      ++*events;
      piece.state = TransferState::kDone;
      if (piece.request.status != BANYAN_OK) {
        return fail_request("sending to", {send.to, send.place + static_cast<int>(k)}, piece.request.status);
      }
    }
    all = all && piece.state == TransferState::kDone;
  }
  if (all) {
    send.state = TransferState::kDone;
    --unfinished_;
  }
  return BANYAN_OK;
}

}  // namespace banyan::executor
