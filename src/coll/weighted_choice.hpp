// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "planner/select.hpp"

namespace banyan::coll {

/// How to exchange pairs of which only capacities are known, in bytes, [ranks, ranks] row-major: of all algorithms, and
/// some limits up to which pairs are aggregated, what is predicted to be fastest for pairs that fill their capacities.
/// An empty matrix: as for an all-to-all-v, whose counts nobody knows. Errors as planner::choose_v.
[[nodiscard]] planner::Choice choose_weighted(const planner::Situation& situation, std::span<const uint64_t> matrix,
                                              const planner::Wish& wish);

}  // namespace banyan::coll
