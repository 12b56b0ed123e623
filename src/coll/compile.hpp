// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
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

}  // namespace banyan::coll
