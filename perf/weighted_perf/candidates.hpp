// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "common/handles.hpp"
#include "common/traffic.hpp"

namespace banyan::perf {

/// A way to exchange counts that only their sender knows. Borrows the communicator. Collective.
class Candidate {
 public:
  virtual ~Candidate() = default;
  virtual void run() = 0;
  /// Makes new data; then, after run(), the bytes that are wrong.
  virtual void prepare(uint64_t salt) = 0;
  [[nodiscard]] virtual uint64_t count_wrong(uint64_t salt) const = 0;
};

/// In this order.
inline constexpr const char* kCandidateNames[] = {"known", "exchanged", "weighted"};
inline constexpr size_t kNumCandidates = 3;

/// known: a persistent all-to-all-v, as if receivers knew the counts; exchanged: an all-to-all of the counts, then an
/// all-to-all-v; weighted: a weighted all-to-all whose capacities are `capacity_factor` times the counts.
[[nodiscard]] std::vector<std::unique_ptr<Candidate>> make_candidates(banyan_comm* comm, const Traffic& traffic,
                                                                      int rank, double capacity_factor);

}  // namespace banyan::perf
