// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>
#include <utility>

#include "base/error.hpp"
#include "device/rows.hpp"
#include "moe/exchange/climb.hpp"
#include "moe/exchange/moves.hpp"

namespace banyan::moe {
namespace {

using ByPick = std::vector<float>;

std::vector<size_t> rungs_behind(const Handle::Chunk& chunk, const Part& part, const SpreadTerms& terms) {
  return terms.routing != nullptr && &part == &chunk.plan.parts.back() ? std::vector<size_t>{0} : std::vector<size_t>{};
}

/// Gradients of combine's rows, which are dispatched; those of weights, of all parts, come back over the first rung,
/// all ranks', with the last part.
class SpreadMove : public Climb {
 public:
  /// `by_pick`: of the chunk, filled part by part.
  SpreadMove(Group& group, const Handle::Chunk& chunk, const Part& part, const SpreadTerms& terms,
             std::shared_ptr<ByPick> by_pick)
      : Climb(group, chunk, part, group.hidden() * device::element_bytes(group.combine_dtype()),
              terms.routing != nullptr ? Purpose::Call::kCombineBackwardOfWeights : Purpose::Call::kCombineBackward,
              rungs_behind(chunk, part, terms)),
        terms_(terms),
        by_pick_(std::move(by_pick)) {
    BANYAN_CHECK(by_expert() || terms.routing == nullptr, "gradients of weights need rows of experts");
  }

  Leg prepare(Workspace& space) override {
    if (climbs()) {
      return climb(space, terms_.tokens + part_.first_token * bytes());
    }
    multiply();
    return weights_back();
  }

  void finish(Workspace& space) override {
    if (terms_.routing != nullptr) {
      if (is_last()) {
        write_gradients();
      } else {
        multiply();
      }
    }
    spread(space);
    if (is_last()) {
      zero_unused(terms_.rows, bytes());
    }
  }

 private:
  void spread(Workspace& space) const {
    const Arrivals& arrivals = chunk_.plan.arrivals;
    space.sums.resize(group_.hidden());
    for_arrived([&](size_t arrival, const std::byte* row) {
      if (!by_expert()) {
        std::memcpy(terms_.rows + chunk_.layout.place[arrival] * bytes(), row, bytes());
        return;
      }
      for (uint32_t pick = arrivals.pick_begin[arrival]; pick < arrivals.pick_begin[arrival + 1]; ++pick) {
        std::fill(space.sums.begin(), space.sums.end(), 0.0F);
        device::add_scaled(group_.combine_dtype(), row, arrivals.weights[pick], space.sums);
        device::store(group_.combine_dtype(), space.sums, terms_.rows + chunk_.layout.place[pick] * bytes());
      }
    });
  }

  /// The gradient of the weight of each pick of the part.
  void multiply() const {
    const Arrivals& arrivals = chunk_.plan.arrivals;
    const device::Dtype dtype = group_.combine_dtype();
    for_arrived([&](size_t arrival, const std::byte* row) {
      for (uint32_t pick = arrivals.pick_begin[arrival]; pick < arrivals.pick_begin[arrival + 1]; ++pick) {
        (*by_pick_)[pick] = static_cast<float>(
            device::dot(dtype, row, terms_.expert_rows + chunk_.layout.place[pick] * bytes(), group_.hidden()));
      }
    });
  }

  /// Gradients of weights to the tokens' ranks.
  Leg weights_back() {
    sent_.clear();
    for (const uint32_t pick : chunk_.grad_sends) {
      sent_.push_back((*by_pick_)[pick]);
    }
    came_.resize(total_rows(chunk_.picks_to));
    return {.send = reinterpret_cast<const std::byte*>(sent_.data()),
            .send_rows = chunk_.picks_from,
            .recv = reinterpret_cast<std::byte*>(came_.data()),
            .recv_rows = chunk_.picks_to,
            .bytes = sizeof(float)};
  }

  void write_gradients() {
    std::fill(terms_.gradients.begin(), terms_.gradients.end(), 0.0F);
    std::vector<size_t> next(chunk_.picks_to.size());
    std::exclusive_scan(chunk_.picks_to.begin(), chunk_.picks_to.end(), next.begin(), size_t{0});
    const auto top_k = static_cast<size_t>(group_.routing_rules().top_k);
    for (size_t token = 0; token < chunk_.plan.num_tokens; ++token) {
      for (const Pick& pick : terms_.routing->of(chunk_.plan.first_token + token)) {
        terms_.gradients[token * top_k + static_cast<size_t>(pick.slot)] =
            came_[next[static_cast<size_t>(pick.rank)]++];
      }
    }
  }

  SpreadTerms terms_;
  std::shared_ptr<ByPick> by_pick_;
  std::vector<float> sent_, came_;
};

}  // namespace

Moves make_spread(Group& group, const Handle::Chunk& chunk, const SpreadTerms& terms) {
  const size_t picks = terms.routing != nullptr ? chunk.plan.arrivals.local_experts.size() : 0;
  const auto by_pick = std::make_shared<ByPick>(picks);
  Moves moves;
  for (const Part& part : chunk.plan.parts) {
    moves.push_back(std::make_shared<SpreadMove>(group, chunk, part, terms, by_pick));
  }
  return moves;
}

}  // namespace banyan::moe
