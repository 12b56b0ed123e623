// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "common/bound.hpp"
#include "layer/layer.hpp"

namespace banyan::perf {

/// Rows of a dispatch by what the gates chose, with replicas as a Dealer deals them. Combine has the same, the other
/// way round.
struct LayerRows {
  uint64_t choices = 0;             ///< of all tokens
  uint64_t inter_host_choices = 0;  ///< those that go to another host
  uint64_t inter_host_rows = 0;     ///< a token once for each other host with one of its choices: what NODE sends
};
/// host_of: [num_ranks].
[[nodiscard]] LayerRows rows_of(const Layer& layer, const std::vector<int>& host_of);

/// Seconds that no dispatch and combine of this layer can beat (gpu-peers.md, section 4: each row crosses a link once):
/// a row must leave a group of ranks with limited links once if any of its choices is outside, and enter it once if any
/// is inside; what enters hosts also leaves hosts. 0 when no link is limited. `groups`: as for lower_bound_s, hosts
/// first or alone, leaf switches behind them.
struct LayerBound {
  double dispatch_s = 0;
  double combine_s = 0;
};
[[nodiscard]] LayerBound bound_of(const Layer& layer, const std::vector<int>& host_of,
                                  const std::vector<RankGroup>& groups);

}  // namespace banyan::perf
