// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "executor/pieces.hpp"
#include "schedule/schedule.hpp"
#include "schedule/verify.hpp"
#include "simulator/message_source.hpp"

namespace banyan::simulator {

/// An exchange as communicators execute it: what a schedule leaves to executor::HostExecutor. Borrows what it refers
/// to.
struct Execution {
  const schedule::Schedule& schedule;
  std::span<const uint64_t> message_bytes{};        ///< by message: payload, headers included (planner::Plan)
  schedule::BlockSizes sizes{};                     ///< of all blocks
  std::vector<executor::CompileOptions> options{};  ///< by rank; their rules, and what else all ranks share, are equal
  std::vector<int> rail_pattern{};                  ///< rails that consecutive messages take; empty: there is one
  /// Times that a transport between hosts copies what it carries, at each end: two over TCP, into and out of the
  /// kernel and its own buffer (docs/transport-ucx.md); none over RDMA.
  int transport_copies = 0;
  int exchanges = 1;  ///< in a row, each begun by a rank as soon as its last one is done
};

/// The messages of one of its exchanges, cut and ordered by the executor's own rules (executor::Pieces, ShareOrder,
/// cut_message). A value.
struct ExecutionParts {
  /// What is sent at once. Its Transfer's token is its place in `pieces`.
  struct Piece {
    Transfer transfer;
    int message = -1;          ///< of the schedule, aggregated; -1: part of a direct pair
    uint64_t order = 0;        ///< direct, between hosts
    uint32_t at_receiver = 0;  ///< direct, between hosts: place in the receiver's `expected`
  };
  /// A direct piece from another host.
  struct Expected {
    uint64_t order = 0;
    uint64_t bytes = 0;
  };
  struct Message {
    std::vector<uint32_t> pieces;  ///< empty: it is direct, or has no bytes
    std::vector<uint32_t> feeds;   ///< messages that forward its blocks
    int missing = 0;               ///< messages that bring its blocks
  };
  struct Rank {
    std::vector<uint32_t> startable;  ///< aggregated messages that wait for nothing
    size_t num_messages = 0;          ///< aggregated sends
    std::vector<uint32_t> remote;     ///< direct pieces to other hosts, in order
    std::vector<uint32_t> local;      ///< direct pieces inside the host
    std::vector<Expected> expected;   ///< direct pieces from other hosts, in order
    size_t num_receives = 0;          ///< pieces of all kinds
    uint64_t bytes_to_send = 0;       ///< of `remote`
    uint64_t bytes_to_receive = 0;    ///< of `expected`
    uint64_t own_bytes = 0;
  };

  std::vector<Piece> pieces;
  std::vector<Message> messages;
  std::vector<Rank> ranks;
};

/// Error{INVALID_ARGUMENT} if the parts of `execution` are of different numbers of ranks or messages.
[[nodiscard]] ExecutionParts cut_execution(const Execution& execution);

}  // namespace banyan::simulator
