// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <queue>
#include <vector>

#include "simulator/execution.hpp"
#include "simulator/message_source.hpp"

namespace banyan::simulator {

/// The messages of exchanges as executor::HostExecutor sends them: direct pairs in pieces, those to other hosts in one
/// order of all pieces and no further ahead of what was received than the window allows (CompileOptions::window), those
/// inside a host one at a time; aggregated messages when their blocks are there; all over rails in turn. A rank begins
/// its next exchange when it has sent and received all of the last.
class ExecutedSource : public MessageSource {
 public:
  /// Borrows what `execution` refers to. Errors as cut_execution().
  explicit ExecutedSource(const Execution& execution);

  [[nodiscard]] int num_ranks() const override { return static_cast<int>(ranks_.size()); }
  [[nodiscard]] int window() const override { return 0; }
  /// Copied at the beginning of each exchange, by next().
  [[nodiscard]] uint64_t own_bytes(int) const override { return 0; }
  bool next(int rank, bool only_mapped, Transfer& send) override;
  void arrived(const Transfer& message) override;
  [[nodiscard]] bool exhausted() const override { return finished_ == ranks_.size(); }

 private:
  /// An aggregated message of an exchange, whose blocks are all there.
  struct Ready {
    int exchange = 0;
    uint32_t message = 0;
    auto operator<=>(const Ready&) const = default;
  };
  /// How far a rank is in its exchange.
  struct Rank {
    int exchange = 0;
    bool own_is_copied = false;
    std::priority_queue<Ready, std::vector<Ready>, std::greater<>> ready;
    uint32_t sending = 0;     ///< an aggregated message, of which
    size_t next_piece = 0;    ///< pieces have been taken; 0: none is being taken
    size_t num_messages = 0;  ///< taken
    size_t next_remote = 0;
    size_t next_local = 0;
    size_t next_caught_up = 0;  ///< sends before it are not ahead of what was received
    size_t next_missing = 0;    ///< receives before it are here
    uint64_t ahead_bytes = 0;
    uint64_t sent_bytes = 0;
  };
  /// What has come to a rank in an exchange, which it may not have begun.
  struct Received {
    size_t pieces = 0;
    uint64_t bytes = 0;         ///< of direct pieces from other hosts
    std::vector<bool> is_here;  ///< by place in ExecutionParts::Rank::expected
  };
  /// What has come of an aggregated message in an exchange, and what it waits for.
  struct Progress {
    uint32_t pieces = 0;
    int missing = 0;
  };

  void begin(int rank);
  bool take(int rank, Transfer& send);
  bool take_aggregated(int rank, Transfer& send);
  bool take_remote(int rank, Transfer& send);
  void take_piece(const Rank& rank, uint32_t piece, Transfer& send) const;
  [[nodiscard]] bool is_done(int rank) const;
  void catch_up(int rank);
  [[nodiscard]] bool runs_ahead(int rank, const Transfer& transfer) const;
  void message_arrived(int exchange, uint32_t message);

  [[nodiscard]] const ExecutionParts::Rank& part(int rank) const { return parts_.ranks[static_cast<size_t>(rank)]; }
  [[nodiscard]] Received& received(int exchange, int rank) {
    return received_[static_cast<size_t>(exchange) * ranks_.size() + static_cast<size_t>(rank)];
  }
  [[nodiscard]] const Received& received(int exchange, int rank) const {
    return received_[static_cast<size_t>(exchange) * ranks_.size() + static_cast<size_t>(rank)];
  }
  [[nodiscard]] Progress& progress(int exchange, uint32_t message) {
    return progress_[static_cast<size_t>(exchange) * parts_.messages.size() + message];
  }

  Execution execution_;
  ExecutionParts parts_;
  std::vector<Rank> ranks_;
  std::vector<Received> received_;  ///< [exchanges, ranks]
  std::vector<Progress> progress_;  ///< [exchanges, messages]
  size_t finished_ = 0;             ///< ranks that are through with all exchanges
};

}  // namespace banyan::simulator
