// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "cost/profile.hpp"
#include "topology/graph.hpp"

namespace banyan::cost {

/// Puts the racks that a profile inferred in the place of the one switch that stands for an unknown network: leaf
/// switches "rack0", "rack1", ... with links of the measured capacities to a common spine. Whether it did. It does not
/// if the graph tells its switches (a topology file), if the profile has no such racks, or lacks a host of the graph
/// (matched by key, else by a name that is unique on both sides). Hosts of the profile that the graph lacks are left
/// out, so a part of its hosts will do.
bool add_inferred_racks(topology::Graph& graph, const Profile& profile);

/// Key of the leaf switch that stands for a rack of Profile::inferred_racks.
[[nodiscard]] std::string inferred_rack_key(size_t rack);
[[nodiscard]] bool is_inferred_rack_key(const std::string& key);

}  // namespace banyan::cost
