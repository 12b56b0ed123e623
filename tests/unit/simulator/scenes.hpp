// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cost/cost_model.hpp"
#include "schedule/schedule.hpp"
#include "schedule/verify.hpp"
#include "topology/locality_tree.hpp"

namespace banyan::simulator::testing {

/// The tree of a description such as "4:2 nic=1gbit racks=2 uplink=1gbit".
[[nodiscard]] topology::LocalityTree tree_of(const std::string& synthetic);

/// Sizes of all blocks that outlive their use as a borrowed span.
struct Sizes {
  int num_ranks = 0;
  std::vector<uint64_t> bytes;

  Sizes(int ranks, uint64_t each)
      : num_ranks(ranks), bytes(static_cast<size_t>(ranks) * static_cast<size_t>(ranks), each) {}
  uint64_t& at(int from, int to) {
    return bytes[static_cast<size_t>(from) * static_cast<size_t>(num_ranks) + static_cast<size_t>(to)];
  }
  [[nodiscard]] schedule::BlockSizes view() const { return {.num_ranks = num_ranks, .bytes = bytes}; }
};

/// A model of the tree's nominal capacities, where nothing else takes time.
[[nodiscard]] cost::CostModel wires_only(const topology::LocalityTree& tree);

/// One message of one block.
[[nodiscard]] schedule::Message block_message(int from, int to, schedule::Path path = schedule::Path::kMessage);

}  // namespace banyan::simulator::testing
