// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "common/traffic.hpp"

namespace banyan::perf {

/// Which bar a point has to pass.
enum class PointKind {
  kUniform,        ///< all-to-all, equal counts
  kSmallVariable,  ///< all-to-all-v, equal counts of 8 to 64 B
  kMoe,            ///< all-to-all-v, MoE-shaped counts that average 64 B to 64 KiB
  kOther           ///< no bar
};
[[nodiscard]] const char* name_of(PointKind kind) noexcept;

/// `generator`: the spec that made the traffic, empty for none.
[[nodiscard]] PointKind kind_of(const Traffic& traffic, const std::string& generator);

/// A bar is passed by being this much faster than the best of Open MPI, or this close to the bound of the links.
struct Bar {
  double speedup = 0;
  double bound_share = 0;
  double never_below = 0;  ///< a speedup under this fails even near the bound; 0: none
};
/// The project's bars (docs/performance.md). nullopt: none. time_s: of one exchange through Banyan.
[[nodiscard]] std::optional<Bar> bar_of(PointKind kind, double time_s) noexcept;

struct Verdict {
  std::optional<Bar> bar;
  double speedup = 0;      ///< best of Open MPI / Banyan
  double bound_share = 0;  ///< bound / Banyan; 0 without a bound
  bool passed = true;      ///< true without a bar
  /// The bar asks for a time below the bound. Only a burst that a lab's card lets through passes it all the same.
  bool beyond_bound = false;
};
/// Times in seconds; best_mpi_s 0: nothing to compare with, then only the bound counts.
[[nodiscard]] Verdict judge(PointKind kind, double banyan_s, double best_mpi_s, double bound_s) noexcept;

}  // namespace banyan::perf
