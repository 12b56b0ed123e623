// SPDX-License-Identifier: Apache-2.0
// Sums of a demand: the formulas for equal pairs against adding up.
#include "planner/loads.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <limits>

#include "topology/discover.hpp"
#include "trees.hpp"

namespace banyan::planner {
namespace {

constexpr uint64_t kAll = std::numeric_limits<uint64_t>::max();

void expect_formulas_add_up(const topology::LocalityTree& tree, uint64_t bytes) {
  const Hosts hosts(tree);
  const auto ranks = static_cast<size_t>(tree.num_ranks());
  const std::vector<uint64_t> matrix(ranks * ranks, bytes);
  const Loads formulas = sum_loads(tree, hosts, {.block_bytes = bytes, .matrix = {}}, 0, kAll);
  const Loads sums = sum_loads(tree, hosts, {.block_bytes = 0, .matrix = matrix}, 0, kAll);
  RC_ASSERT(formulas.subtree_egress == sums.subtree_egress);
  RC_ASSERT(formulas.subtree_ingress == sums.subtree_ingress);
  RC_ASSERT(formulas.host_local == sums.host_local);
  RC_ASSERT(formulas.host_pair_max == sums.host_pair_max);
  RC_ASSERT(formulas.rank_remote_max == sums.rank_remote_max);
  RC_ASSERT(formulas.rank_local_max == sums.rank_local_max);
  RC_ASSERT(formulas.rank_messages_max == sums.rank_messages_max);
  RC_ASSERT(formulas.host_messages_max == sums.host_messages_max);
}

TEST(Loads, OfEqualPairsByFormulaAreThoseAddedUp) {
  EXPECT_TRUE(rc::check("hosts", [] {
    const auto sizes = *rc::gen::container<std::vector<int>>(*rc::gen::inRange<size_t>(1, 6), rc::gen::inRange(1, 5));
    expect_formulas_add_up(tree_of(sizes), *rc::gen::inRange<uint64_t>(1, 1000));
  }));
}

TEST(Loads, OfEqualPairsInRacksToo) {
  const auto tree = topology::LocalityTree::derive(
      topology::from_synthetic("5:[3,2,3,1,2] nic=10gbit racks=[2,2,1] uplink=10gbit").value("test"));
  EXPECT_GT(tree.at_tier(topology::Tier::kRack).size(), 1U);
  EXPECT_TRUE(rc::check("racks", [&] { expect_formulas_add_up(tree, *rc::gen::inRange<uint64_t>(1, 1000)); }));
}

TEST(Loads, OfEqualPairsThatAreLeftOutAreNone) {
  const auto tree = topology::LocalityTree::from_hosts({{0, 1}, {2}}, 1e9);
  const Hosts hosts(tree);
  const Demand demand{.block_bytes = 100, .matrix = {}};
  EXPECT_EQ(sum_loads(tree, hosts, demand, 100, kAll).rank_remote_max, 0U);
  EXPECT_EQ(sum_loads(tree, hosts, demand, 0, 99).rank_remote_max, 0U);
  EXPECT_EQ(sum_loads(tree, hosts, demand, 99, 100).rank_remote_max, 200U);
}

}  // namespace
}  // namespace banyan::planner
