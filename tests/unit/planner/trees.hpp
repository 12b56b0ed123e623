// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <numeric>
#include <vector>

#include "planner/predict.hpp"
#include "topology/locality_tree.hpp"

namespace banyan::planner {

/// Hosts of so many ranks, numbered host by host; by default NICs of 1 Gbit/s.
inline topology::LocalityTree tree_of(const std::vector<int>& sizes, double nic_bytes_per_s = 1.25e8) {
  std::vector<std::vector<int>> hosts;
  int next = 0;
  for (const int size : sizes) {
    hosts.emplace_back(static_cast<size_t>(size));
    std::iota(hosts.back().begin(), hosts.back().end(), next);
    next += size;
  }
  return topology::LocalityTree::from_hosts(hosts, nic_bytes_per_s);
}

/// `bytes` for every pair.
inline Demand uniform(size_t bytes) { return {.block_bytes = bytes, .matrix = {}}; }
/// A matrix of all pairs; borrowed.
inline Demand of(const std::vector<uint64_t>& matrix) { return {.block_bytes = 0, .matrix = matrix}; }

}  // namespace banyan::planner
