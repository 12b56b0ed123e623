// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "topology/graph_index.hpp"

namespace banyan::topology {

/// Nominal capacity between a subtree and the rest; 0: unknown or no limit.
struct Capacity {
  double egress_bytes_per_s = 0;
  double ingress_bytes_per_s = 0;
};

/// Hosts behind the same leaf switches.
struct Rack {
  std::string key;          ///< of the leaf switch; of several, the least
  std::string name;         ///< of that switch
  std::vector<int> leaves;  ///< vertices of its leaf switches, ascending
  Capacity uplink;          ///< all links between its leaves and other switches
};

/// The racks of a graph: two hosts are in one rack if NICs of theirs hang on one switch, directly or over other hosts
/// (so the rails of one pod are one rack). Hosts without a switch share one rack, that of the implicit fabric.
struct Racks {
  std::vector<Rack> racks;
  std::vector<int> by_host;  ///< by position in GraphIndex::hosts()
};

[[nodiscard]] Racks find_racks(const GraphIndex& index);

/// Sum over the host's NICs that are up of their network links; those of unknown speed add nothing.
[[nodiscard]] Capacity host_capacity(const GraphIndex& index, int host);

/// Key and name of the switch that stands for a network of which nothing is known.
inline constexpr const char* kFabricKey = "switch:fabric";
inline constexpr const char* kFabricName = "fabric";

}  // namespace banyan::topology
