// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "moe/exchange/climb.hpp"
#include "moe/exchange/moves.hpp"

namespace banyan::moe {
namespace {

class DispatchMove : public Climb {
 public:
  DispatchMove(Group& group, const Handle::Chunk& chunk, const DispatchTerms& terms)
      : Climb(group, chunk, group.row_bytes() + group.scale_bytes()), terms_(terms) {}

  Leg prepare(Workspace& space) override {
    if (position() == 0 && group_.scale_bytes() > 0) {
      return climb(space, pack(space));
    }
    return climb(space, terms_.tokens);
  }

  void finish(Workspace& /*space*/) override {
    const Arrivals& arrivals = chunk_.plan.arrivals;
    for (size_t arrival = 0; arrival < arrivals.rows(); ++arrival) {
      if (!by_expert()) {
        put(arrival, chunk_.layout.place[arrival]);
        continue;
      }
      for (uint32_t pick = arrivals.pick_begin[arrival]; pick < arrivals.pick_begin[arrival + 1]; ++pick) {
        put(arrival, chunk_.layout.place[pick]);
      }
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
    std::byte* packed = space.packed.take(chunk_.plan.num_tokens * bytes());
    for (size_t token = 0; token < chunk_.plan.num_tokens; ++token) {
      std::memcpy(packed + token * bytes(), terms_.tokens + token * row, row);
      std::memcpy(packed + token * bytes() + row, terms_.scales + token * beside, beside);
    }
    return packed;
  }

  void put(size_t arrival, size_t place) const {
    const size_t row = group_.row_bytes();
    const size_t beside = group_.scale_bytes();
    const std::byte* from = arrived() + arrival * bytes();
    std::memcpy(terms_.rows + place * row, from, row);
    if (beside > 0) {
      std::memcpy(terms_.row_scales + place * beside, from + row, beside);
    }
  }

  DispatchTerms terms_;
};

}  // namespace

std::shared_ptr<Move> make_dispatch(Group& group, const Handle::Chunk& chunk, const DispatchTerms& terms) {
  return std::make_shared<DispatchMove>(group, chunk, terms);
}

}  // namespace banyan::moe
