// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "topology/graph.hpp"

namespace banyan::topology {

/// What discovery may be told. Empty strings: default.
struct DiscoverOptions {
  std::string host_id;         ///< overrides the host identity (else BANYAN_HOST_ID is not read here: callers pass it)
  std::string interface_name;  ///< comma list of the NICs to consider; empty: all that are up, without loopback
};

/// This host with one rank (rank 0), from hwloc, sysfs and, where present, NVML. A few milliseconds to 0.2 s.
[[nodiscard]] Graph discover_host(const DiscoverOptions& options);

/// Merges what each rank discovered: `parts[r]` is rank r's graph of one rank. Hosts with equal keys are one host, NICs
/// without a switch hang on "switch:fabric". Deterministic, so all ranks get equal graphs.
/// Error{MISMATCH} if two ranks describe one host differently in a way that matters (names which).
[[nodiscard]] Graph merge(std::span<const Graph> parts);

/// Adds the switch level of a file's graph (hosts matched by name or key) to `graph`. Error{MISMATCH} if hosts of
/// `graph` are absent in `file`.
void overlay_switches(Graph& graph, const Graph& file);

/// JSON text of a graph and back; docs/topology-format.md. parse checks everything, check() included.
[[nodiscard]] std::string to_json(const Graph& graph);
[[nodiscard]] Result<Graph> from_json(std::string_view text);
[[nodiscard]] Result<Graph> from_nccl_xml(std::string_view text);
[[nodiscard]] Result<Graph> from_slurm_conf(std::string_view text);
/// Any of the three, told apart by content.
[[nodiscard]] Result<Graph> from_text(std::string_view text);
/// Builds a graph from a short string; the grammar is in docs/topology-format.md.
[[nodiscard]] Result<Graph> from_synthetic(std::string_view description);

/// The first broken invariant as text, or empty.
[[nodiscard]] std::string check(const Graph& graph);

}  // namespace banyan::topology
