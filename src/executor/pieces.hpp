// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "banyan/transport_plugin.h"
#include "schedule/schedule.hpp"
#include "schedule/staging.hpp"

/// In which pieces data travels between hosts, and in which order: functions of sizes that both ends know.
namespace banyan::executor {

/// What a program is compiled for; equal on all ranks.
struct CompileOptions {
  int num_ranks = 0;
  /// Sizes, and where messages lie. Blocks larger than its limit travel directly.
  schedule::StagingRule rule;
  /// Direct pairs of ranks of different hosts travel in pieces of at most this size; 0: whole.
  size_t chunk_bytes = 0;
  /// Pieces are ordered by phase and place in their pair; of an all-to-all-v by the share of their pair that is before
  /// them, and by phase where that is equal, so that all pairs advance in proportion to their sizes and the link with
  /// the most to carry is busy from begin to end. A rank sends at most `window` pieces, or `window_bytes` if
  /// that is more, beyond the first piece that it has not received. So the receivers set the pace, no link is sent more
  /// than its share for long, and queues stay short. In an all-to-all-v it also sends while the share it has sent is
  /// not beyond the share it has received, so that one large receive does not hold up all sends. Never a deadlock: of
  /// all that is missing anywhere, the first in order is never held back. At least 1.
  int window = 1;
  size_t window_bytes = 0;
  std::vector<int> send_phase;     ///< by peer: planner::direct::phase from this rank to it; negative: the same host
  std::vector<int> receive_phase;  ///< by peer: phase from it to this rank
  /// Where messages are spread over rails, one to another host travels in up to `max_pieces` pieces of at least
  /// `least_piece_bytes`, so that each rail carries its share of it.
  size_t max_pieces = 1;
  size_t least_piece_bytes = 1;
  /// By peer: number of the first message of the pair from this rank to it, and from it to this rank, among those that
  /// transport::Fabric spreads over rails; the pieces of a pair count on from there. Equal at both ends.
  std::vector<int> send_place;
  std::vector<int> receive_place;
  int place_step = 1;                     ///< from message to message of a pair; 0: all on one rail
  uint32_t fingerprint = 0;               ///< of algorithm and sizes, so that disagreeing ranks never match
  std::vector<int> direct_send_order;     ///< all-to-all-v: peers in the order in which large pairs are sent
  std::vector<int> direct_receive_order;  ///< all-to-all-v: the same for receiving
};

enum class TransferState : uint8_t { kIdle, kPosted, kDone };

/// How an aggregated message is cut: a first piece that holds the whole header, then equal ones. A value that both ends
/// compute from the message's bytes.
struct Cut {
  size_t total = 0;
  size_t count = 1;
  size_t first = 0;  ///< bytes of the first piece
  size_t each = 0;   ///< of the others but the last

  [[nodiscard]] size_t offset(size_t piece) const noexcept {
    return piece == 0 ? 0 : std::min(total, first + (piece - 1) * each);
  }
  [[nodiscard]] size_t bytes(size_t piece) const noexcept { return offset(piece + 1) - offset(piece); }
};
[[nodiscard]] Cut cut_message(size_t total, size_t header, size_t most, size_t least_bytes) noexcept;

/// A piece of an aggregated message on its way.
struct Piece {
  size_t bytes = 0;
  TransferState state = TransferState::kIdle;
  banyan_transport_request request{};
};

/// A block, or a piece of one, travelling alone from the caller's buffer to the caller's buffer.
struct DirectTransfer {
  uint64_t order = 0;  ///< among pieces between hosts; equal at both ends
  size_t offset = 0;
  size_t bytes = 0;
  int peer = 0;
  int place = 0;        ///< among the messages that are spread over rails
  uint32_t tag = 0;     ///< tag_bits() of how many pieces there are, so that ranks that disagree on that never match
  bool remote = false;  ///< to or from another host
  TransferState state = TransferState::kIdle;
  bool withdrawn = false;  ///< a receive of a bounded exchange for which nothing is sent
  banyan_transport_request request{};
};

/// A pair of ranks whose block travels alone.
struct DirectPair {
  int peer = 0;
  int phase = -1;
  int place = 0;
  size_t bytes = 0;
};

/// The part of a message's tag that depends on its number: HostExecutor::tag.
[[nodiscard]] constexpr uint32_t tag_bits(uint32_t number) noexcept {
  static_assert(schedule::kMaxMessagesPerPair == 128);
  return ((number >> 7 & 0xFFFF) << 8) | (number & 0x7F);
}

/// How a pair is cut: into pieces of options.chunk_bytes, or smaller ones, so that there is one for each rail. The
/// first takes what does not fill a piece, so that sizes of as many pieces differ in it.
class Pieces {
 public:
  /// bad_alloc: more than 2^31 pieces.
  Pieces(const DirectPair& pair, const CompileOptions& options);

  [[nodiscard]] uint32_t count() const noexcept { return count_; }
  [[nodiscard]] int phase() const noexcept { return phase_; }
  /// Makes `transfer` that piece. Leaves its request, which posting resets.
  void describe(uint32_t number, uint64_t order, DirectTransfer& transfer) const noexcept {
    transfer.order = order;
    transfer.offset = number == 0 ? 0 : first_ + (number - 1) * each_;
    transfer.bytes = number == 0 ? first_ : each_;
    transfer.peer = peer_;
    transfer.place = place_ + static_cast<int>(number) * place_step_;
    transfer.tag = tag_;
    transfer.remote = phase_ >= 0;
    transfer.state = TransferState::kIdle;
    transfer.withdrawn = false;
  }

 private:
  int peer_;
  int phase_;
  int place_;
  int place_step_;
  uint32_t count_;
  uint32_t tag_;
  size_t first_;  ///< bytes
  size_t each_;   ///< of the others
};

/// Appends a pair's pieces, ordered by phase.
void append_in_phases(std::vector<DirectTransfer>& transfers, const DirectPair& pair, const CompileOptions& options);

/// Orders the pieces of unequal pairs by the share of their pair that is before them. Keeps its memory. A call with new
/// counts spends its time on this, for thousands of pieces: what is sorted is small, and a piece's transfer is written
/// when it is about to be posted.
class ShareOrder {
 public:
  /// `pairs`, of other hosts, in order of phase. Returns how many pieces they have. bad_alloc: 2^31 or more.
  size_t arrange(std::span<const DirectPair> pairs, const CompileOptions& options);

  /// Makes `transfer` the next piece in order, but for its request. At most as often as arrange() told.
  void describe_next(DirectTransfer& transfer) noexcept {
    while (next_piece_ == end_[share_]) {
      ++share_;
    }
    const Entry entry = entries_[next_piece_++];
    const Pieces& pieces = pieces_[entry.pair];
    pieces.describe(entry.piece, order(share_, pieces.phase(), entry.piece), transfer);
  }

 private:
  /// Parts of a pair that are told apart.
  static constexpr uint32_t kShares = 256;
  struct Entry {
    uint32_t pair;
    uint32_t piece;
  };

  /// By share, then by phase, of which there are fewer than 2^24, then by place in the pair.
  static uint64_t order(uint32_t share, int phase, uint32_t piece) noexcept {
    return (static_cast<uint64_t>(share) << 52) | (static_cast<uint64_t>(static_cast<uint32_t>(phase)) << 28) |
           (piece & 0xFFFFFFFU);
  }
  void count();

  std::vector<Pieces> pieces_;           ///< by pair
  std::vector<Entry> entries_;           ///< in order
  std::array<uint32_t, kShares> end_{};  ///< by share: behind its last entry
  uint32_t share_ = 0;                   ///< of the next piece, or before it
  uint32_t next_piece_ = 0;              ///< in entries_
};

/// Of the pieces to, or from, other hosts, which come first.
struct RemotePieces {
  size_t count = 0;
  size_t bytes = 0;
};

}  // namespace banyan::executor
