// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "exchange_job.hpp"

namespace banyan::moe::testing {

/// The capacity of the job's step by definition; nullopt: none.
[[nodiscard]] std::optional<size_t> capacity_of(const Job& job, const Group& group);

/// The routing of every rank of a job, with what is beyond a capacity left out by definition: all choices of a replica
/// in one list, sorted, and cut.
[[nodiscard]] std::vector<Routing> kept_routings(const Job& job, const Group& group);

/// Choices that the definition leaves out.
[[nodiscard]] uint64_t dropped_of(const std::vector<Routing>& routings, const Job& job);

/// A rank's combined rows, in fp64, of what is kept.
[[nodiscard]] std::vector<double> expected_of(const Job& job, const ExpertMap& map, const Routing& routing,
                                              size_t rank);

}  // namespace banyan::moe::testing
