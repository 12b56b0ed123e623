// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "moe/exchange/climb.hpp"
#include "moe/exchange/moves.hpp"

namespace banyan::moe {
namespace {

class DispatchMove : public Climb {
 public:
  DispatchMove(Group& group, const Handle::Chunk& chunk, const Part& part, const DispatchTerms& terms)
      : Climb(group, chunk, part, group.row_bytes() + group.scale_bytes(), Purpose::Call::kDispatch), terms_(terms) {}

  Leg prepare(Workspace& space) override {
    if (position() == 0 && group_.scale_bytes() > 0) {
      return climb(space, pack(space));
    }
    return climb(space, terms_.tokens + part_.first_token * group_.row_bytes());
  }

  void finish(Workspace& /*space*/) override {
    const Arrivals& arrivals = chunk_.plan.arrivals;
    for_arrived([&](size_t arrival, const std::byte* row) {
      if (!by_expert()) {
        put(row, chunk_.layout.place[arrival]);
        return;
      }
      for (uint32_t pick = arrivals.pick_begin[arrival]; pick < arrivals.pick_begin[arrival + 1]; ++pick) {
        put(row, chunk_.layout.place[pick]);
      }
    });
    if (!is_last()) {
      return;
    }
    zero_unused(terms_.rows, group_.row_bytes());
    if (group_.scale_bytes() > 0) {
      zero_unused(terms_.row_scales, group_.scale_bytes());
    }
  }

 private:
  /// Each row with its scales behind it.
  const std::byte* pack(Workspace& space) const {
    const size_t row = group_.row_bytes();
    const size_t beside = group_.scale_bytes();
    std::byte* packed = space.packed.take(part_.num_tokens * bytes());
    for (size_t number = 0; number < part_.num_tokens; ++number) {
      const size_t token = part_.first_token + number;
      std::memcpy(packed + number * bytes(), terms_.tokens + token * row, row);
      std::memcpy(packed + number * bytes() + row, terms_.scales + token * beside, beside);
    }
    return packed;
  }

  void put(const std::byte* from, size_t place) const {
    const size_t row = group_.row_bytes();
    const size_t beside = group_.scale_bytes();
    std::memcpy(terms_.rows + place * row, from, row);
    if (beside > 0) {
      std::memcpy(terms_.row_scales + place * beside, from + row, beside);
    }
  }

  DispatchTerms terms_;
};

}  // namespace

Moves make_dispatch(Group& group, const Handle::Chunk& chunk, const DispatchTerms& terms) {
  Moves moves;
  for (const Part& part : chunk.plan.parts) {
    moves.push_back(std::make_shared<DispatchMove>(group, chunk, part, terms));
  }
  return moves;
}

}  // namespace banyan::moe
