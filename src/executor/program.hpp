// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "executor/pieces.hpp"
#include "schedule/schedule.hpp"
#include "transport/mapped_ring.hpp"

namespace banyan::executor {

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
  /// As the options tell.
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
  RemotePieces remote_sends_;
  RemotePieces remote_receives_;
  std::vector<DirectPair> pairs_;  ///< of this call, while its pieces are ordered
  ShareOrder send_order_;
  ShareOrder receive_order_;
  std::vector<std::byte> staging_;
};

}  // namespace banyan::executor
