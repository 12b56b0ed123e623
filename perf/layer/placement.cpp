// SPDX-License-Identifier: Apache-2.0
#include "layer/placement.hpp"

#include <algorithm>
#include <numeric>

namespace banyan::perf {
namespace {

/// Experts in order, `sizes`: [num_ranks] of them to each rank.
Placement in_blocks(const std::vector<int>& sizes) {
  Placement placement;
  for (size_t rank = 0; rank < sizes.size(); ++rank) {
    for (int n = 0; n < sizes[rank]; ++n) {
      placement.ranks.push_back(static_cast<int>(rank));
      placement.offsets.push_back(static_cast<int>(placement.ranks.size()));
    }
  }
  return placement;
}

}  // namespace

Placement block_placement(int num_experts, int num_ranks) {
  std::vector<int> sizes(static_cast<size_t>(num_ranks), num_experts / num_ranks);
  for (int rank = 0; rank < num_experts % num_ranks; ++rank) {
    ++sizes[static_cast<size_t>(rank)];
  }
  return in_blocks(sizes);
}

Placement uneven_placement(int num_experts, int num_ranks) {
  std::vector<int> parts;
  for (int rank = 0; rank < num_ranks; ++rank) {
    parts.push_back(1 + rank % 3);
  }
  const int64_t all = std::accumulate(parts.begin(), parts.end(), int64_t{0});
  std::vector<int> sizes;
  int64_t before = 0;
  for (const int part : parts) {  // differences of rounded prefixes add up
    const int64_t begin = before * num_experts / all;
    before += part;
    sizes.push_back(static_cast<int>(before * num_experts / all - begin));
  }
  return in_blocks(sizes);
}

Placement with_replicas(const Placement& placement, int count, int num_ranks) {
  Placement result;
  for (int expert = 0; expert < placement.num_experts(); ++expert) {
    const auto begin = static_cast<size_t>(placement.offsets[static_cast<size_t>(expert)]);
    const auto end = static_cast<size_t>(placement.offsets[static_cast<size_t>(expert) + 1]);
    result.ranks.insert(result.ranks.end(), placement.ranks.begin() + static_cast<std::ptrdiff_t>(begin),
                        placement.ranks.begin() + static_cast<std::ptrdiff_t>(end));
    if (expert < count && num_ranks > 1) {
      result.ranks.push_back((placement.ranks[begin] + num_ranks / 2) % num_ranks);
    }
    result.offsets.push_back(static_cast<int>(result.ranks.size()));
  }
  return result;
}

std::vector<int> experts_of_rank(const Placement& placement, int rank) {
  std::vector<int> experts;
  for (int expert = 0; expert < placement.num_experts(); ++expert) {
    const auto begin = placement.ranks.begin() + placement.offsets[static_cast<size_t>(expert)];
    const auto end = placement.ranks.begin() + placement.offsets[static_cast<size_t>(expert) + 1];
    if (std::find(begin, end, rank) != end) {
      experts.push_back(expert);
    }
  }
  return experts;
}

}  // namespace banyan::perf
