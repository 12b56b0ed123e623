// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "banyan/transport_plugin.h"
#include "schedule/schedule.hpp"
#include "schedule/staging.hpp"
#include "transport/mapped_ring.hpp"

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
  int peer = 0;
  int phase = -1;      ///< negative: the same host
  uint64_t order = 0;  ///< among pieces between hosts; equal at both ends
  int place = 0;       ///< among the messages that are spread over rails
  int tag = 0;  ///< of its kind and of how many pieces there are, so that ranks that disagree on that never match
  size_t offset = 0;
  size_t bytes = 0;
  TransferState state = TransferState::kIdle;
  banyan_transport_request request{};
};

/// A pair of ranks whose block travels alone.
struct DirectPair {
  int peer = 0;
  int phase = -1;
  int place = 0;
  size_t bytes = 0;
};

/// Appends the pieces of a pair, of options.chunk_bytes, or smaller ones, so that there is one for each rail. The first
/// takes what does not fill a piece, so that sizes of as many pieces differ in it. `in_phases`: ordered by phase, else
/// by share.
void append_pair(std::vector<DirectTransfer>& transfers, const DirectPair& pair, const CompileOptions& options,
                 bool in_phases);

/// Where a send finds a block: in the caller's buffer (receive < 0) or as block `index` of a receive.
struct BlockSource {
  int receive = -1;
  int index = 0;
  int destination = 0;
};

/// An aggregated send and its state while the exchange runs.
struct AggregatedSend {
  int to = 0;
  int place = 0;   ///< as DirectTransfer's
  int number = 0;  ///< among the aggregated messages of the pair, equal at both ends
  bool mapped = false;
  bool self_describing = false;
  std::vector<BlockSource> blocks;
  std::vector<int> needs;  ///< receives that bring its blocks
  size_t staging_offset = 0;
  size_t staging_bytes = 0;  ///< 0: never staged (a mapped message that always fits its slot)

  size_t ring_index = 0;  ///< mapped: place among the mapped sends to the same peer; slots are filled in this order

  int missing = 0;
  TransferState state = TransferState::kIdle;
  size_t num_pieces = 0;  ///< posted
  std::vector<Piece> pieces;
};

/// An aggregated receive and its state while the exchange runs.
struct AggregatedReceive {
  int from = 0;
  int place = 0;   ///< as DirectTransfer's
  int number = 0;  ///< as AggregatedSend's
  bool mapped = false;
  bool self_describing = false;
  bool in_place = false;  ///< lands in the caller's buffer as one run (uniform only)
  std::vector<schedule::Block> blocks;
  std::vector<int> finals;  ///< indices of blocks for this rank
  std::vector<int> feeds;   ///< sends that forward its blocks
  size_t staging_offset = 0;
  size_t staging_bytes = 0;

  std::vector<size_t> listed;             ///< by block, size according to the header
  std::vector<uint32_t> notes;            ///< by block, of its source, if there are any
  std::vector<size_t> sizes;              ///< by block, bytes in this message
  std::vector<size_t> offsets;            ///< by block, into the data
  const std::byte* data = nullptr;        ///< first block
  transport::SlotHeader* slot = nullptr;  ///< held while `holders` > 0
  int holders = 0;                        ///< sends that still read from it
  TransferState state = TransferState::kIdle;
  size_t num_pieces = 0;  ///< posted
  std::vector<Piece> pieces;
};

/// A rank's schedule, compiled: everything the executor needs, allocated before the first exchange. Not a value: it
/// holds the state of the exchange that runs it. One exchange at a time.
class Program {
 public:
  /// Error{LIMIT}: more memory than there are addresses, or more than kMaxMessagesPerPair messages of a pair.
  Program(const schedule::RankSchedule& part, const CompileOptions& options);
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  [[nodiscard]] const CompileOptions& options() const noexcept { return options_; }
  [[nodiscard]] DirectPair pair_to(int peer, size_t bytes) const;
  [[nodiscard]] DirectPair pair_from(int peer, size_t bytes) const;
  [[nodiscard]] size_t scratch_bytes() const noexcept { return staging_.size(); }

 private:
  friend class HostExecutor;

  [[nodiscard]] size_t most_pieces(int peer, bool mapped) const;
  void add_send(const schedule::Message& message, std::vector<int>& numbers);
  void add_receive(const schedule::Message& message, std::vector<int>& numbers);
  void link_sources(const schedule::RankSchedule& part);
  void lay_out_uniform();
  void allocate_staging();

  int rank_;
  CompileOptions options_;
  std::vector<AggregatedSend> sends_;
  std::vector<AggregatedReceive> receives_;
  std::vector<std::vector<int>> ring_order_;  ///< by peer: mapped receives in ring order
  std::vector<size_t> ring_next_;
  std::vector<size_t> ring_sent_;  ///< by peer: mapped sends issued
  std::vector<int> ring_peers_;
  std::vector<DirectTransfer> direct_sends_;  ///< uniform: fixed; all-to-all-v: of this call; other hosts' first
  std::vector<DirectTransfer> direct_receives_;
  std::vector<std::byte> staging_;
};

}  // namespace banyan::executor
