// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include "base/deadline.hpp"
#include "moe/exchange/move.hpp"

namespace banyan::moe {

/// Moves of a group under way. Each rung has one exchange at a time and serves moves in the order in which they were
/// started, which is equal on all ranks: so all ranks make the same exchanges in the same order on each rung, the
/// oldest move can always go on, and one chunk is between hosts while another is inside them. One thread.
class Flow {
 public:
  explicit Flow(Group& group) : group_(group), under_way_(group.ladder().height()) {}

  /// All of them, or after std::bad_alloc none.
  void add(Moves moves);
  [[nodiscard]] bool empty() const noexcept { return moves_.empty(); }
  /// Moves all on. Returns whether something happened. Never throws: an error ends all moves, and aborts the group.
  bool progress() noexcept;
  /// Ends all moves with an error, and aborts the group.
  void fail(const Error& error) noexcept;
  /// What a wait does where nothing happened.
  void idle();

 private:
  struct Entry {
    std::shared_ptr<Move> move;
    std::unique_ptr<Workspace> space;  ///< from the first prepare() on
    Leg leg{};
    bool prepared = false;  ///< the leg is that of the next exchange
    bool exchanging = false;
  };

  bool advance();
  bool advance(size_t number);
  void report_stall();
  /// Moves before this one that still need its next rung; not counted on where more do than may be ready in advance.
  [[nodiscard]] size_t ahead(size_t number) const;
  void prepare(Entry& entry);

  Group& group_;
  std::deque<Entry> moves_;
  std::vector<bool> under_way_;  ///< by rung: an exchange
  std::vector<std::unique_ptr<Workspace>> spare_;
  Deadline report_ = Deadline::in(0);  ///< when a stall is to be told; counted from what happened last
};

}  // namespace banyan::moe
