// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "planner/hosts.hpp"
#include "planner/select.hpp"
#include "simulator/message_source.hpp"

namespace banyan::sim_tool {

/// The messages of an algorithm, one list a rank and stream, made when asked for. A stream is the part of a step that
/// travels one way: direct has two, between hosts and inside, all others one a step.
class Pattern {
 public:
  Pattern(const planner::Hosts& hosts, uint64_t block_bytes) : hosts_(hosts), block_bytes_(block_bytes) {}
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;
  virtual ~Pattern() = default;

  [[nodiscard]] virtual int num_streams() const = 0;
  /// The stream's first message at or after `position` of that rank; moves the position behind it. False if there is
  /// none.
  virtual bool next(int rank, int stream, uint32_t& position, simulator::Transfer& send) const = 0;
  /// Messages that the rank receives in the stream.
  [[nodiscard]] virtual uint32_t expected(int rank, int stream) const = 0;
  /// Whether a rank's sends of `stream` wait for all that it receives in `earlier`.
  [[nodiscard]] virtual bool waits_for(int stream, int earlier) const = 0;

 protected:
  /// A message inside a host to the `position`-th neighbour of a rank, staggered; none at the end.
  [[nodiscard]] bool neighbour(int rank, uint32_t position, int* peer) const;
  [[nodiscard]] simulator::Transfer message(int from, int to, int step, uint64_t bytes) const;

  const planner::Hosts& hosts_;
  uint64_t block_bytes_;
};

/// Error{NOT_SUPPORTED}: bruck on hosts of different numbers of ranks. Borrows the hosts.
[[nodiscard]] std::unique_ptr<Pattern> make_pattern(const planner::Hosts& hosts, planner::Algorithm algorithm,
                                                    uint64_t block_bytes);

/// The messages of a uniform all-to-all, without a schedule: memory O(ranks x streams), whatever the number of
/// messages. A rank's sends of a stream wait for all that it receives in the streams before that feed it, which is what
/// the schedule's blocks say for direct and hierarchical, and for bruck a little more.
class UniformSource : public simulator::MessageSource {
 public:
  /// Borrows the hosts.
  UniformSource(const planner::Hosts& hosts, planner::Algorithm algorithm, uint64_t block_bytes, int window);

  [[nodiscard]] int num_ranks() const override { return hosts_.num_ranks(); }
  [[nodiscard]] int window() const override { return window_; }
  [[nodiscard]] uint64_t own_bytes(int) const override { return block_bytes_; }
  bool next(int rank, bool only_mapped, simulator::Transfer& send) override;
  void arrived(const simulator::Transfer& message) override;
  [[nodiscard]] bool exhausted() const override { return open_ == 0; }

 private:
  struct Stream {
    uint32_t position = 0;
    uint32_t missing = 0;  ///< of what is received in it
    bool ended = false;
  };

  [[nodiscard]] Stream& at(int rank, int stream) {
    return streams_[static_cast<size_t>(rank) * static_cast<size_t>(num_streams_) + static_cast<size_t>(stream)];
  }
  [[nodiscard]] bool ready(int rank, int stream);
  [[nodiscard]] bool take(int rank, int stream, bool only_mapped, simulator::Transfer& send);

  const planner::Hosts& hosts_;
  uint64_t block_bytes_;
  int window_;
  std::unique_ptr<Pattern> pattern_;
  int num_streams_;
  std::vector<std::vector<int>> waits_;  ///< by stream: the streams it waits for
  std::vector<Stream> streams_;          ///< [ranks, streams]
  std::vector<int> first_;               ///< by rank: the first stream that has not ended
  size_t open_;                          ///< streams that have not ended, all ranks'
};

}  // namespace banyan::sim_tool
