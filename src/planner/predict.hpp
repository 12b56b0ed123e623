// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "cost/cost_model.hpp"
#include "planner/algorithms/hierarchical.hpp"
#include "planner/hosts.hpp"
#include "planner/loads.hpp"
#include "planner/rails.hpp"
#include "topology/locality_tree.hpp"

namespace banyan::planner {

/// A predicted time and what it is made of, in seconds.
struct Prediction {
  double latency_s = 0;   ///< alpha of each step's deepest path
  double overhead_s = 0;  ///< per-message cost at the busiest rank or host
  double wire_s = 0;      ///< bytes over capacity at the busiest link
  double copy_s = 0;      ///< packing and unpacking that no wire time hides
  std::string busiest;    ///< name and direction of that link, e.g. "node1 egress"

  /// Per exchange of several in a row: messages and wires overlap, but for a share of the smaller; copies of a message
  /// come before and after its time on the wire. The shares were fitted to 75 points of mpi_compare in the lab (direct,
  /// rail and node, 8 B to 32 KiB, 2 hosts of 8, of 7 and 8, 4 of 4 ranks at 1 and 10 Gbit/s, 32 cores, 2026-11-22), so
  /// that with each of three profiles the fastest algorithm is chosen at every size, or one at most 3 % slower, and
  /// predicted within 25 % in 66 of 75 cases. Least true: many messages of 512 B and 4 KiB at 10 Gbit/s, up to 30 % too
  /// fast, since their bytes cost the cores time too, and node at 32 KiB there, 40 % too fast.
  [[nodiscard]] double total_s() const noexcept {
    const double at_ranks = latency_s + overhead_s;
    const double larger = at_ranks > wire_s ? at_ranks : wire_s;
    const double smaller = at_ranks > wire_s ? wire_s : at_ranks;
    return larger + kNotOverlapped * smaller + copy_s;
  }

  static constexpr double kNotOverlapped = 0.25;
  /// Of packing and unpacking: blocks are packed for one host while another's are on the wire.
  static constexpr double kCopiesNotOverlapped = 0.75;
  /// The part of one message's overhead that its latency, half a round trip, already holds.
  static constexpr double kInLatency = cost::kInLatency;
};

/// The tier of messages between hosts.
[[nodiscard]] const cost::TierCost& remote_tier(const topology::LocalityTree& tree, const cost::CostModel& model);

/// T = overlap(alpha + max(2 o rank's messages, 2 g host's messages) + local messages, max over links of bytes /
/// capacity) (design section 5).
[[nodiscard]] Prediction predict_direct(const topology::LocalityTree& tree, const Hosts& hosts,
                                        const cost::CostModel& model, const Loads& loads);

/// The steps of algorithms/hierarchical.hpp. `header_bytes_per_block`: on average; 0 but for all-to-all-v. Few messages
/// of a host fill its rails unequally (fullest_rail).
[[nodiscard]] Prediction predict_hierarchical(const topology::LocalityTree& tree, const Hosts& hosts,
                                              const cost::CostModel& model, const Loads& loads, hierarchical::Fan fan,
                                              double header_bytes_per_block, const Rails& rails = {});

/// The rounds of algorithms/bruck.hpp, one after the other; `header_bytes_per_block` as above.
[[nodiscard]] Prediction predict_bruck(const topology::LocalityTree& tree, const Hosts& hosts,
                                       const cost::CostModel& model, const Loads& loads, int radix,
                                       double header_bytes_per_block);

/// The steps of algorithms/racks.hpp; `header_bytes_per_block` as above. From formulas, not fitted.
[[nodiscard]] Prediction predict_racks(const topology::LocalityTree& tree, const Hosts& hosts,
                                       const cost::CostModel& model, const Loads& loads, double header_bytes_per_block);

/// Both at once: all-to-all-v with small pairs aggregated and large ones direct. `whole`: all pairs direct, whose wire
/// time is that of the link with the largest sum; the busiest link of each part may be another.
[[nodiscard]] Prediction combine(const Prediction& aggregated, const Prediction& direct, const Prediction& whole);

/// max over directed links of bytes that must cross / capacity (design section 5); 0 if no link is limited.
[[nodiscard]] double lower_bound_s(const topology::LocalityTree& tree, const cost::CostModel& model,
                                   const Loads& loads);

}  // namespace banyan::planner
