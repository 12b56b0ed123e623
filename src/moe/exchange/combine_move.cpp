// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "device/rows.hpp"
#include "moe/exchange/moves.hpp"

namespace banyan::moe {
namespace {

using Rung = Ladder::Rung;

/// Levels of the canonical sum: picks make a rank's part, ranks a host's, hosts a rack's, racks the whole.
constexpr size_t kNumLevels = 4;

/// The level to which what comes back over a rung is added.
size_t level_of_parts(Rung rung) {
  switch (rung) {
    case Rung::kRank:
      return 1;
    case Rung::kHost:
      return 2;
    case Rung::kRack:
      break;
  }
  return 3;
}

/// The level whose sum a holder of a rung passes on.
size_t level_of_sum(Rung rung) { return rung == Rung::kHost ? 1 : 2; }

size_t rows_before(const Hop& hop) { return hop.back_begin.size() - 1; }

/// Rows back down the ladder, summed at each rung.
class CombineMove : public ChunkMove {
 public:
  CombineMove(Group& group, const Handle::Chunk& chunk, const Part& part, const CombineTerms& terms)
      : ChunkMove(group, chunk, part, downward(part.hops.size()),
                  terms.weighted ? Purpose::Call::kCombine : Purpose::Call::kDispatchBackward),
        terms_(terms),
        weighted_(terms.weighted && by_expert()),
        bytes_(group.hidden() * device::element_bytes(raw() ? group.combine_dtype() : group.partial_dtype())) {}

  Leg prepare(Workspace& space) override {
    space.sums.resize(kNumLevels * group_.hidden());
    const size_t next = rung();
    const Hop& hop = part_.hops[next];
    std::byte* held = nullptr;
    if (position() == 0) {
      held = space.held[next % 2].take(part_.num_arrivals * bytes_);
      sum_picks(space, held);
    } else {
      held = space.held[next % 2].take(rows_before(part_.hops[next + 1]) * bytes_);
      sum_returned(space, next + 1, held);
    }
    returned_ = space.send.take(hop.send_list.size() * bytes_);
    return {.send = held, .send_rows = hop.recv_rows, .recv = returned_, .recv_rows = hop.send_rows, .bytes = bytes_};
  }

  void finish(Workspace& space) override {
    const size_t token_bytes = group_.hidden() * device::element_bytes(group_.combine_dtype());
    sum_returned(space, 0, terms_.tokens + part_.first_token * token_bytes);
  }

 private:
  [[nodiscard]] bool raw() const { return group_.metadata_rules().dedup == Dedup::kNone; }

  /// What this rank returns for each arrival.
  void sum_picks(Workspace& space, std::byte* held) const {
    const Arrivals& arrivals = chunk_.plan.arrivals;
    const device::Dtype dtype = group_.combine_dtype();
    const size_t row_bytes = group_.hidden() * device::element_bytes(dtype);
    const std::span<float> sum(space.sums.data(), group_.hidden());
    for_arrivals(held, bytes_, [&](size_t arrival, std::byte* out) {
      const uint32_t first = arrivals.pick_begin[arrival];
      const auto row = [&](size_t place) { return terms_.rows + chunk_.layout.place[place] * row_bytes; };
      if (raw() || (!by_expert() && bytes_ == row_bytes)) {
        std::memcpy(out, row(by_expert() ? first : arrival), row_bytes);
        return;
      }
      std::fill(sum.begin(), sum.end(), 0.0F);
      if (by_expert()) {
        for (uint32_t pick = first; pick < arrivals.pick_begin[arrival + 1]; ++pick) {
          device::add_scaled(dtype, row(pick), weighted_ ? arrivals.weights[pick] : 1, sum);
        }
      } else {
        device::add_scaled(dtype, row(arrival), 1, sum);
      }
      device::store(group_.partial_dtype(), sum, out);
    });
  }

  /// Sums what came back over a rung for each row held before it.
  void sum_returned(Workspace& space, size_t rung, std::byte* held) const {
    const Hop& hop = part_.hops[rung];
    const auto& rungs = group_.ladder().rungs();
    const device::Dtype in_dtype = raw() ? group_.combine_dtype() : group_.partial_dtype();
    const device::Dtype out_dtype = rung == 0 ? group_.combine_dtype() : group_.partial_dtype();
    const size_t hidden = group_.hidden();
    const size_t last = rung == 0 ? kNumLevels - 1 : level_of_sum(rungs[rung - 1]);
    const size_t first = group_.deterministic() ? (raw() ? 0 : level_of_parts(rungs[rung])) : last;
    const auto level = [&](size_t number) { return std::span(space.sums).subspan(number * hidden, hidden); };
    for (size_t row = 0; row < rows_before(hop); ++row, held += hidden * device::element_bytes(out_dtype)) {
      std::fill(space.sums.begin(), space.sums.end(), 0.0F);
      for (uint32_t n = hop.back_begin[row]; n < hop.back_begin[row + 1]; ++n) {
        const ReturnedRow& part = hop.back[n];
        const float weight = weighted_ && raw() ? part_.sent_weights[part.position] : 1;
        device::add_scaled(in_dtype, returned_ + part.position * bytes_, weight, level(first));
        for (size_t ended = first; ended < std::min<size_t>(part.ends, last); ++ended) {
          device::round_to(group_.partial_dtype(), level(ended));
          std::transform(level(ended).begin(), level(ended).end(), level(ended + 1).begin(), level(ended + 1).begin(),
                         [](float part_sum, float sum) { return sum + part_sum; });
          std::fill(level(ended).begin(), level(ended).end(), 0.0F);
        }
      }
      device::store(out_dtype, level(last), held);
    }
  }

  CombineTerms terms_;
  bool weighted_;
  size_t bytes_;  ///< of a row on its way
  std::byte* returned_ = nullptr;
};

}  // namespace

Moves make_combine(Group& group, const Handle::Chunk& chunk, const CombineTerms& terms) {
  Moves moves;
  for (const Part& part : chunk.plan.parts) {
    moves.push_back(std::make_shared<CombineMove>(group, chunk, part, terms));
  }
  return moves;
}

}  // namespace banyan::moe
