// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "moe/exchange/move.hpp"

namespace banyan::moe {

/// A move of rows from their source up the ladder to the ranks that want them.
class Climb : public ChunkMove {
 public:
  /// `bytes`: of a row as it travels. `last`: rungs exchanged along after those of the ladder.
  Climb(Group& group, const Handle::Chunk& chunk, const Part& part, size_t bytes, Purpose::Call call,
        std::vector<size_t> last = {});

 protected:
  [[nodiscard]] bool climbs() const noexcept { return position() < part_.hops.size(); }
  /// What is exchanged along the rung that comes next; `tokens` are the part's rows at the source, for the
  /// first.
  [[nodiscard]] Leg climb(Workspace& space, const std::byte* tokens);
  /// Rows as they arrived, once all rungs are climbed.
  [[nodiscard]] const std::byte* arrived() const noexcept { return held_; }
  [[nodiscard]] size_t bytes() const noexcept { return bytes_; }
  /// Calls visit(arrival, row) for what arrived().
  template <typename Visit>
  void for_arrived(Visit visit) const {
    for_arrivals(arrived(), bytes_, visit);
  }
  void zero_unused(std::byte* rows, size_t bytes) const;

 private:
  size_t bytes_;
  const std::byte* held_ = nullptr;
};

}  // namespace banyan::moe
