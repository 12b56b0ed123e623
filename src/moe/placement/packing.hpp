// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include "cost/cost_model.hpp"
#include "moe/placement/shares.hpp"
#include "planner/hosts.hpp"

namespace banyan::moe {

/// Where experts may go. Borrows all.
struct PackingTerms {
  const planner::Hosts& hosts;
  const cost::CostModel& model;
  const Demand& demand;
  const std::vector<int>& slots;  ///< [ranks]
  int max_replicas = 0;           ///< of an expert; 0: as many as there are ranks
};

/// Replicas that each expert should have: n_e = ranks * load_e / total, rounded up, from 1 to what is allowed (Lina,
/// arXiv 2210.17223). They are given out one by one to the expert with most load a replica (the first of equal ones),
/// so that slots which do not suffice go where they matter most; `fill` goes on until slots are used up.
[[nodiscard]] std::vector<int> replica_counts(const PackingTerms& terms, bool fill);

/// Each expert once: first-fit decreasing, see packed.
[[nodiscard]] Replicas packed_once(const PackingTerms& terms);

/// First-fit decreasing of counts[e] pieces of load_e / counts[e] each, beside the pieces in `start` (empty, or with a
/// rank for each expert). A piece goes to the first rank with a slot that does not have the expert and where it fits
/// under the mean load; if it fits nowhere, to the one with the least load. Ranks come in this order: hosts, then racks
/// that have the expert least; hosts with most of its rows; subtrees with most capacity inwards a rank; lower ranks. A
/// piece for which there is no rank is left out, never an expert's first. Each result is ascending.
[[nodiscard]] Replicas packed(const PackingTerms& terms, const std::vector<int>& counts, Replicas start);

}  // namespace banyan::moe
