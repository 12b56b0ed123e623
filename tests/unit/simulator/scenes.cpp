// SPDX-License-Identifier: Apache-2.0
#include "scenes.hpp"

#include "topology/discover.hpp"

namespace banyan::simulator::testing {

topology::LocalityTree tree_of(const std::string& synthetic) {
  return topology::LocalityTree::derive(topology::from_synthetic(synthetic).value(synthetic));
}

cost::CostModel wires_only(const topology::LocalityTree& tree) {
  cost::CostModel model;
  for (const auto& node : tree.nodes()) {
    model.subtrees.push_back({node.egress_bytes_per_s, node.ingress_bytes_per_s, false});
  }
  return model;
}

schedule::Message block_message(int from, int to, schedule::Path path) {
  return {.step = 0, .from = from, .to = to, .path = path, .blocks = {{from, to}}};
}

}  // namespace banyan::simulator::testing
