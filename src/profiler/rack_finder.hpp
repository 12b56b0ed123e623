// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>
#include <vector>

#include "profiler/clusters.hpp"

namespace banyan::profiler {

using HostPairs = std::vector<std::pair<int, int>>;

/// Disjoint pairs of hosts that exchanged data both ways, all at once, and what each reached: its rate over the rate
/// that the NICs of its two hosts allow; about 1 where nothing else is a limit.
struct PairRound {
  HostPairs pairs;
  std::vector<double> shares;  ///< by pair; above 0
};

/// Racks whose uplinks are a limit, found from rounds of pairs. Hosts that share no saturated link with others keep the
/// rate of their NICs, whatever the others do; pairs that cross a saturated uplink are slower. First come whole
/// tournaments, in which every two hosts meet. Then rounds that try to refute the racks found so far: in turn one in
/// which as many pairs as possible cross between them, which loads uplinks most, and one in which as few as possible
/// do. A value; all ranks that add equal rounds come to equal racks.
class RackFinder {
 public:
  /// `rates[host]`: what its NICs reach, for pairs of like hosts. At least kLeastHosts hosts.
  explicit RackFinder(std::vector<double> rates);

  /// With fewer hosts only one pair is at work at a time, and nothing tells an uplink from a NIC.
  static constexpr int kLeastHosts = 4;
  /// Below this part of what hosts reach else they are slowed, and a rack's uplink is a limit. Rates of idle machines
  /// repeat within 5 %, of busy ones within 10 to 15 %.
  static constexpr double kSlow = 0.8;

  [[nodiscard]] static int num_rounds(int num_hosts);
  /// The next round's pairs, num_hosts / 2 of them.
  [[nodiscard]] HostPairs next_pairs() const;
  void add(PairRound round) { rounds_.push_back(std::move(round)); }

  /// The racks, each of hosts in ascending order; empty if no uplink is a limit.
  [[nodiscard]] Clusters racks() const;

 private:
  /// A pair in a round.
  struct Meeting {
    int a = 0;
    int b = 0;
    double slowness = 0;  ///< 0 to 1: how sure it is that it was slowed
  };

  [[nodiscard]] int num_hosts() const noexcept { return static_cast<int>(rates_.size()); }
  /// Rounds with equal pairs as one, with the median of their shares.
  [[nodiscard]] std::vector<PairRound> distinct_rounds() const;
  [[nodiscard]] std::vector<double> best_shares(const std::vector<PairRound>& rounds) const;
  [[nodiscard]] std::vector<Meeting> meetings() const;
  [[nodiscard]] Clusters likeliest() const;
  [[nodiscard]] HostPairs crossing_pairs(const Clusters& racks) const;
  [[nodiscard]] HostPairs inner_pairs(const Clusters& racks) const;
  [[nodiscard]] bool is_limited(const std::vector<int>& rack) const;

  std::vector<double> rates_;
  std::vector<PairRound> rounds_;
};

}  // namespace banyan::profiler
