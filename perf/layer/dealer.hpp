// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "layer/layer.hpp"

namespace banyan::perf {

/// Where a choice goes.
struct Destination {
  int rank = 0;
  int local_expert = 0;  ///< number among the experts of that rank, ascending
};

/// Sends each choice of a rank to a replica of its expert: the nearest take turns (own rank, own host, other hosts), as
/// in a group of banyan/moe.h without shares and racks.
class Dealer {
 public:
  /// host_of: [num_ranks].
  Dealer(const Placement& placement, const std::vector<int>& host_of, int source);

  [[nodiscard]] Destination next(int64_t expert) {
    Turn& turn = turns_[static_cast<size_t>(expert)];
    const Destination& destination = nearest_[turn.begin + turn.at];
    turn.at = turn.at + 1 == turn.count ? 0 : turn.at + 1;
    return destination;
  }
  /// Deals as if nothing had been dealt.
  void restart();

 private:
  struct Turn {
    size_t begin = 0, count = 0, at = 0;
  };
  size_t source_;
  std::vector<Destination> nearest_;
  std::vector<Turn> turns_;  ///< by expert
};

}  // namespace banyan::perf
