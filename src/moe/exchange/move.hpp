// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "moe/exchange/group.hpp"
#include "moe/exchange/handle.hpp"
#include "moe/exchange/purpose.hpp"
#include "moe/exchange/scratch.hpp"

namespace banyan::moe {

[[nodiscard]] inline size_t total_rows(std::span<const size_t> rows) {
  return std::accumulate(rows.begin(), rows.end(), size_t{0});
}

/// Memory of a move under way; kept for the next one.
struct Workspace {
  Scratch packed, send, held[2];
  std::vector<float> sums;
};

/// What goes over the rungs: local work, an exchange along a rung, local work, ..., until it is done. Flow moves it on.
/// Its state is read by the thread that started it while another one moves it on (Pump).
class Move {
 public:
  /// `path`: rungs in the order in which they are exchanged along. Borrows all of it.
  Move(Group& group, std::vector<size_t> path, const Purpose& purpose)
      : group_(group), path_(std::move(path)), purpose_(purpose.word()) {}
  virtual ~Move() = default;
  Move(const Move&) = delete;
  Move& operator=(const Move&) = delete;

  /// Local work before the exchange along rung(): what is exchanged.
  [[nodiscard]] virtual Leg prepare(Workspace& space) = 0;
  /// Local work after the last one.
  virtual void finish(Workspace& space) = 0;

  /// Purpose::word().
  [[nodiscard]] uint64_t purpose() const noexcept { return purpose_; }
  [[nodiscard]] bool over_rungs() const noexcept { return at_ == path_.size(); }
  [[nodiscard]] size_t rung() const { return path_[at_]; }
  /// Whether it has an exchange along this rung before it, or under way.
  [[nodiscard]] bool needs(size_t rung) const {
    for (size_t at = at_; at < path_.size(); ++at) {
      if (path_[at] == rung) {
        return true;
      }
    }
    return false;
  }
  void next_rung() noexcept { ++at_; }

  /// IN_PROGRESS until it ended. Any thread.
  [[nodiscard]] banyan_status status() const noexcept { return status_.load(std::memory_order_acquire); }
  /// Of one that ended with an error.
  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  void end(banyan_status status, std::string text) {
    text_ = std::move(text);
    status_.store(status, std::memory_order_release);
    status_.notify_all();
  }
  /// Sleeps until it ended; only where another thread moves it on.
  void sleep() const { status_.wait(BANYAN_IN_PROGRESS, std::memory_order_acquire); }

 protected:
  [[nodiscard]] size_t position() const noexcept { return at_; }

  Group& group_;

 private:
  std::vector<size_t> path_;
  uint64_t purpose_;
  size_t at_ = 0;
  std::atomic<banyan_status> status_ = BANYAN_IN_PROGRESS;
  std::string text_;
};

/// The rungs from the top one down.
[[nodiscard]] inline std::vector<size_t> downward(size_t height) {
  std::vector<size_t> path;
  while (height > 0) {
    path.push_back(--height);
  }
  return path;
}

/// Rows of a part of a chunk.
class ChunkMove : public Move {
 public:
  ChunkMove(Group& group, const Handle::Chunk& chunk, const Part& part, std::vector<size_t> path, Purpose::Call call)
      : Move(group, std::move(path), purpose_of(group, chunk, part, call)), chunk_(chunk), part_(part) {}

 protected:
  [[nodiscard]] bool by_expert() const noexcept { return group_.layout_rules().kind == LayoutKind::kExpertMajor; }
  [[nodiscard]] bool is_last() const noexcept { return &part_ == &chunk_.plan.parts.back(); }
  /// Calls visit(arrival, row) for the arrivals of the part, which are rows of `bytes` bytes from `rows` on.
  template <typename Byte, typename Visit>
  void for_arrivals(Byte* rows, size_t bytes, Visit visit) const {
    for (size_t number = 0; number < part_.num_arrivals; ++number, rows += bytes) {
      visit(part_.first_arrival + number, rows);
    }
  }

  const Handle::Chunk& chunk_;
  const Part& part_;

 private:
  [[nodiscard]] static Purpose purpose_of(const Group& group, const Handle::Chunk& chunk, const Part& part,
                                          Purpose::Call call) {
    return {.call = call,
            .group = group.number(),
            .routing = chunk.routing,
            .chunk = chunk.index,
            .part = static_cast<size_t>(&part - chunk.plan.parts.data())};
  }
};

/// The moves of a chunk's parts, in their order. They end in it, since each rung serves them so, but for errors.
using Moves = std::vector<std::shared_ptr<Move>>;

}  // namespace banyan::moe
