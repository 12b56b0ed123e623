// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/error.hpp"
#include "device/rows.hpp"
#include "moe/exchange/climb.hpp"
#include "moe/exchange/moves.hpp"

namespace banyan::moe {
namespace {

/// Gradients of combine's rows, which are dispatched; those of weights come back over the first rung, all ranks'.
class SpreadMove : public Climb {
 public:
  SpreadMove(Group& group, const Handle::Chunk& chunk, const SpreadTerms& terms)
      : Climb(group, chunk, group.hidden() * device::element_bytes(group.combine_dtype()),
              terms.routing != nullptr ? std::vector<size_t>{0} : std::vector<size_t>{}),
        terms_(terms) {
    BANYAN_CHECK(by_expert() || terms.routing == nullptr, "gradients of weights need rows of experts");
  }

  Leg prepare(Workspace& space) override { return climbs() ? climb(space, terms_.tokens) : multiply(); }

  void finish(Workspace& space) override {
    if (terms_.routing != nullptr) {
      write_gradients();
    }
    const Arrivals& arrivals = chunk_.plan.arrivals;
    space.sums.resize(group_.hidden());
    for (size_t arrival = 0; arrival < arrivals.rows(); ++arrival) {
      const std::byte* from = arrived() + arrival * bytes();
      if (!by_expert()) {
        std::memcpy(terms_.rows + chunk_.layout.place[arrival] * bytes(), from, bytes());
        continue;
      }
      for (uint32_t pick = arrivals.pick_begin[arrival]; pick < arrivals.pick_begin[arrival + 1]; ++pick) {
        std::fill(space.sums.begin(), space.sums.end(), 0.0F);
        device::add_scaled(group_.combine_dtype(), from, arrivals.weights[pick], space.sums);
        device::store(group_.combine_dtype(), space.sums, terms_.rows + chunk_.layout.place[pick] * bytes());
      }
    }
    zero_unused(terms_.rows, bytes());
  }

 private:
  /// The gradient of each pick's weight, to the token's rank.
  Leg multiply() {
    const Arrivals& arrivals = chunk_.plan.arrivals;
    const device::Dtype dtype = group_.combine_dtype();
    std::vector<float> by_pick(arrivals.local_experts.size());
    for (size_t arrival = 0; arrival < arrivals.rows(); ++arrival) {
      for (uint32_t pick = arrivals.pick_begin[arrival]; pick < arrivals.pick_begin[arrival + 1]; ++pick) {
        by_pick[pick] =
            static_cast<float>(device::dot(dtype, arrived() + arrival * bytes(),
                                           terms_.expert_rows + chunk_.layout.place[pick] * bytes(), group_.hidden()));
      }
    }
    sent_.clear();
    for (const uint32_t pick : chunk_.grad_sends) {
      sent_.push_back(by_pick[pick]);
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
  std::vector<float> sent_, came_;
};

}  // namespace

std::shared_ptr<Move> make_spread(Group& group, const Handle::Chunk& chunk, const SpreadTerms& terms) {
  return std::make_shared<SpreadMove>(group, chunk, terms);
}

}  // namespace banyan::moe
