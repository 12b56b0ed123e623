// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

namespace banyan::perf {

/// Which ranks hold which experts, as banyan_moe_config has it: expert e is on ranks[offsets[e]] and on, before
/// ranks[offsets[e + 1]].
struct Placement {
  std::vector<int> offsets{0};
  std::vector<int> ranks;

  [[nodiscard]] int num_experts() const { return static_cast<int>(offsets.size()) - 1; }
  [[nodiscard]] bool has_replicas() const { return ranks.size() + 1 > offsets.size(); }
};

/// Blocks of experts in order of ranks; the first ranks hold one more where they do not divide.
[[nodiscard]] Placement block_placement(int num_experts, int num_ranks);
/// Blocks whose sizes are as 1, 2, 3, 1, 2, 3 and so on by rank, rounded so that they add up.
[[nodiscard]] Placement uneven_placement(int num_experts, int num_ranks);
/// The same with a second replica of each of the first `count` experts, half of the ranks further on. No change for one
/// rank.
[[nodiscard]] Placement with_replicas(const Placement& placement, int count, int num_ranks);

/// The experts of a rank, ascending.
[[nodiscard]] std::vector<int> experts_of_rank(const Placement& placement, int rank);

}  // namespace banyan::perf
