// SPDX-License-Identifier: Apache-2.0
#include "layer/dealer.hpp"

#include <algorithm>

namespace banyan::perf {

Dealer::Dealer(const Placement& placement, const std::vector<int>& host_of, int source)
    : source_(static_cast<size_t>(source)) {
  const auto distance = [&](int rank) {
    const bool same_host = host_of[static_cast<size_t>(rank)] == host_of[source_];
    return rank == source ? 0 : same_host ? 1 : 2;
  };
  std::vector<int> num_local(host_of.size());
  for (size_t expert = 0; expert + 1 < placement.offsets.size(); ++expert) {
    const auto begin = static_cast<size_t>(placement.offsets[expert]);
    const auto end = static_cast<size_t>(placement.offsets[expert + 1]);
    int nearest = distance(placement.ranks[begin]);
    for (size_t at = begin; at < end; ++at) {
      nearest = std::min(nearest, distance(placement.ranks[at]));
    }
    Turn turn{.begin = nearest_.size()};
    for (size_t at = begin; at < end; ++at) {
      const int rank = placement.ranks[at];
      const int local = num_local[static_cast<size_t>(rank)]++;
      if (distance(rank) == nearest) {
        nearest_.push_back({rank, local});
        ++turn.count;
      }
    }
    turns_.push_back(turn);
  }
  restart();
}

void Dealer::restart() {
  for (Turn& turn : turns_) {
    turn.at = source_ % turn.count;  // ranks begin with different replicas
  }
}

}  // namespace banyan::perf
