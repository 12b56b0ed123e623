// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "topology/graph_index.hpp"

namespace banyan::topology {

/// Load/store domains of all ranks of a graph.
struct Domains {
  std::vector<int> by_rank;  ///< domain of each world rank; numbered by smallest rank
  std::vector<int> ordinal;  ///< by domain: its position among the domains of its host
};

/// Ranks on GPUs are in one domain if every two of them reach each other by NVLink (directly or through NVSwitch),
/// ranks elsewhere if they are on one host; in both cases only with equal attribute `memory_domain`.
[[nodiscard]] Domains find_domains(const GraphIndex& index);

}  // namespace banyan::topology
