// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "topology/graph.hpp"

/// Views of a topology for people. The graph must pass check(). Any thread.
namespace banyan::topology {

/// A tree like lstopo's: hosts with their packages, NUMA nodes, GPUs, NICs and ranks, then switches, then the tiers of
/// the locality tree. Consecutive hosts that are alike are printed once.
[[nodiscard]] std::string render_text(const Graph& graph);

/// The tier between any two ranks, like `nvidia-smi topo -m`: X self, D domain, N node, R rack, C cluster; at the right
/// each rank's host and its NICs' nominal rate. Above 128 ranks rows are hosts. Error{LIMIT} above 512 hosts then.
[[nodiscard]] std::string render_matrix(const Graph& graph);

/// A self-contained picture of the locality tree: racks, hosts with NIC rates at the edges, ranks coloured by domain.
/// Of very many hosts or racks the first ones are drawn and the rest counted.
[[nodiscard]] std::string render_svg(const Graph& graph);

/// Number of hosts, those without ranks included.
[[nodiscard]] int num_hosts(const Graph& graph);
/// Host index of each rank: 0 to num_hosts-1 in order of first appearance by rank.
[[nodiscard]] std::vector<int> hosts_of_ranks(const Graph& graph);

}  // namespace banyan::topology
