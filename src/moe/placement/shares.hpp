// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "planner/hosts.hpp"

namespace banyan::moe {

/// Ranks that hold each expert, ascending.
using Replicas = std::vector<std::vector<int>>;

/// Rows from each host for each expert, as whole units, whose sum over all is about kUnits. Whole, so that flows are
/// exact; each number is rounded by at most half a unit, 2^-51 of all rows.
class Demand {
 public:
  static constexpr int64_t kUnits = int64_t{1} << 50;

  /// rows: [hosts, experts], >= 0 and finite.
  Demand(const std::vector<double>& rows, int num_hosts, int num_experts);

  [[nodiscard]] int num_hosts() const noexcept { return num_hosts_; }
  [[nodiscard]] int num_experts() const noexcept { return num_experts_; }
  [[nodiscard]] int64_t units(int host, int expert) const {
    return units_[static_cast<size_t>(host) * static_cast<size_t>(num_experts_) + static_cast<size_t>(expert)];
  }
  [[nodiscard]] int64_t load(int expert) const { return load_[static_cast<size_t>(expert)]; }
  [[nodiscard]] int64_t total() const noexcept { return total_; }
  [[nodiscard]] double rows_of(int64_t units) const { return static_cast<double>(units) * row_per_unit_; }

 private:
  int num_hosts_;
  int num_experts_;
  double row_per_unit_ = 0;
  int64_t total_ = 0;
  std::vector<int64_t> units_;
  std::vector<int64_t> load_;  ///< [experts]
};

/// How rows are shared out among replicas.
struct Shares {
  /// By expert: [hosts, replicas], units of a host's rows that each replica gets.
  std::vector<std::vector<double>> flows;
  int64_t max_load = 0;  ///< of a rank that any shares of these replicas can reach, in units
};

/// The least possible largest load of a rank when each expert's rows may be shared out among its replicas at will. It
/// equals max over sets S of experts of load(S) / |ranks that hold any of S|, found by Newton's method on minimum cuts
/// (as Dinkelbach 1967): from the mean on, each cut gives a set whose ratio is larger, until the flow carries all.
[[nodiscard]] int64_t least_max_load(const Demand& demand, const Replicas& replicas, int num_ranks);

/// Shares with no rank above max(least_max_load, min((1 + slack) * least_max_load, ceiling)), of which the least rows
/// leave their host; those that leave their rack count twice. Both are optimal: a flow of least cost. ceiling 0: none.
[[nodiscard]] Shares share_out(const Demand& demand, const Replicas& replicas, const planner::Hosts& hosts,
                               double slack, int64_t ceiling);

/// Shares [hosts, replicas] whose rows have sum 1, from flows. A host without rows of the expert uses those of its own
/// replicas that others send rows to, else of its rack's, else of all, in proportion to what they get (alike where the
/// expert has no rows).
[[nodiscard]] std::vector<double> normalised(const std::vector<double>& flows, const std::vector<int>& ranks,
                                             const planner::Hosts& hosts);

}  // namespace banyan::moe
