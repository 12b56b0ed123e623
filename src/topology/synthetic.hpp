// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace banyan::topology {

/// What a description such as "2:[8,7] nic=10gbit" says, lists expanded. docs/topology-format.md has the grammar.
struct SyntheticSpec {
  std::vector<int> ranks_per_host;
  std::vector<double> nic_bytes_per_s;     ///< by host, of each of its NICs; empty: unknown
  int rails = 1;                           ///< NICs per host, each to a switch of its own plane
  std::vector<int> hosts_per_rack;         ///< empty: no rack level
  std::vector<double> uplink_bytes_per_s;  ///< by rack, all rails together; empty: unknown
  double memory_bytes_per_s = 0;           ///< of one rank
  int numa_per_host = 0;                   ///< 0: ranks hang below the host
  double nvlink_bytes_per_s = 0;           ///< above 0: each rank has a GPU, all of a host on one NVSwitch
  bool cyclic = false;                     ///< ranks are dealt round-robin over the hosts
};

[[nodiscard]] Result<SyntheticSpec> parse_synthetic(std::string_view description);

}  // namespace banyan::topology
