// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <memory>
#include <vector>

#include "moe/exchange/moves.hpp"

namespace banyan::moe {
namespace {

/// Queues for each rung behind the moves before it, in the end for the one of all ranks, along which each pair
/// exchanges a byte: what is over for one rank then is over for all.
class TurnMove : public Move {
 public:
  explicit TurnMove(Group& group)
      : Move(group, downward(group.ladder().height()), {.call = Purpose::Call::kTurn, .group = group.number()}),
        send_(static_cast<size_t>(group.size())),
        recv_(send_.size()),
        rows_(send_.size()) {}

  Leg prepare(Workspace& /*space*/) override {
    rows_.assign(rows_.size(), rung() == 0 ? 1 : 0);
    return {.send = send_.data(), .send_rows = rows_, .recv = recv_.data(), .recv_rows = rows_, .bytes = 1};
  }

  void finish(Workspace& /*space*/) override {}

 private:
  std::vector<std::byte> send_, recv_;
  std::vector<size_t> rows_;  ///< by rank
};

}  // namespace

Moves make_turn(Group& group) { return {std::make_shared<TurnMove>(group)}; }

}  // namespace banyan::moe
