// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "coll/planned.hpp"
#include "planner/hosts.hpp"
#include "planner/select.hpp"

namespace banyan::coll {

/// What a rank's programs depend on beside the choice. Borrows the hosts.
struct Place {
  const planner::Hosts& hosts;
  int rank = 0;
  bool mapped = false;       ///< ranks that share memory write into it
  size_t ring_capacity = 0;  ///< transport::Fabric's
  size_t num_rails = 1;      ///< length of transport::Fabric's pattern; 1 without
  bool own_rail = false;     ///< a rank sends over one rail, that of its place in its host
};

/// The rank's program of a chosen all-to-all of `block_bytes` per pair, or all-to-all-v. Error{LIMIT}: more memory than
/// there are addresses.
[[nodiscard]] std::shared_ptr<Planned> compile_uniform(const Place& place, const planner::Choice& choice,
                                                       size_t block_bytes);
[[nodiscard]] std::shared_ptr<Planned> compile_variable(const Place& place, const planner::Choice& choice);
/// Of an exchange whose receivers know bounds, not sizes (executor::Exchange::send_bounds): every pair is in a message
/// that describes itself, also where all pairs travel directly. `number` tells apart such exchanges of a communicator;
/// equal on all ranks.
[[nodiscard]] std::shared_ptr<Planned> compile_bounded(const Place& place, const planner::Choice& choice,
                                                       uint64_t number);
/// Its messages: the algorithm's, all of which describe themselves.
[[nodiscard]] schedule::RankSchedule bounded_part(const planner::Hosts& hosts, int rank, planner::Algorithm algorithm,
                                                  bool mapped);

}  // namespace banyan::coll
