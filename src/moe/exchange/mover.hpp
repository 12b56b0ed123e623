// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>

#include "moe/exchange/flow.hpp"
#include "moe/exchange/pump.hpp"

namespace banyan::moe {

/// The moves of a chunk that were started, as their starter sees them.
struct Started {
  std::shared_ptr<Move> last;  ///< ends last, but after an error: then none touches the caller's memory any more
  bool over = false;           ///< the starter knows that it ended
};

/// Starts chunks' moves, in equal order on all ranks, and waits for them. While one is not known to be over, the
/// communicator is BUSY for everything else. One thread, the group's; errors are thrown, and after any but BUSY the
/// group is unusable.
class Mover {
 public:
  /// `with_thread`: a thread moves on what was started while the caller does something else; else test() and wait() do.
  Mover(Group& group, bool with_thread);

  [[nodiscard]] Started start(Moves moves);
  /// True: done. Throws the move's error, again and again.
  [[nodiscard]] bool test(Started& started);
  void wait(Started& started);
  /// Whether it ended, well or not.
  [[nodiscard]] bool settle(Started& started) noexcept;
  void run(Moves moves) {
    Started started = start(std::move(moves));
    wait(started);
  }

 private:
  void throw_unless_done(const Started& started) const;

  Group& group_;
  Flow flow_;  ///< without a thread
  std::unique_ptr<Pump> pump_;
  size_t not_over_ = 0;
};

}  // namespace banyan::moe
