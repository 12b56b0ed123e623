// SPDX-License-Identifier: Apache-2.0
#include "planner/pace.hpp"

#include <gtest/gtest.h>

#include "cost/profile.hpp"

namespace banyan::planner {
namespace {

/// Two hosts whose networks have that rate and latency.
Pace pace_of(int ranks_per_host, double bytes_per_s, double alpha_s, const Pace& wish = {}) {
  std::vector<std::vector<int>> ranks(2);
  for (int rank = 0; rank < 2 * ranks_per_host; ++rank) {
    ranks[static_cast<size_t>(rank / ranks_per_host)].push_back(rank);
  }
  const auto tree = topology::LocalityTree::from_hosts(ranks, bytes_per_s);
  const Hosts hosts(tree);
  cost::CostModel model = cost::nominal_model(tree);
  for (auto& tier : model.tiers) {
    tier = {.alpha_s = alpha_s, .overhead_s = 1e-6, .flow_bytes_per_s = bytes_per_s};
  }
  for (const int host : {0, 1}) {
    model.subtrees[static_cast<size_t>(hosts.tree_node(host))] = {bytes_per_s, bytes_per_s, true};
  }
  return choose_pace(tree, hosts, model, wish);
}

TEST(Pace, SlowNetworkThenTheSmallestSizes) {
  const Pace pace = pace_of(4, 1.25e8, 8e-6);
  EXPECT_EQ(pace.chunk_bytes, size_t{16} << 10);
  EXPECT_EQ(pace.window, 2);
  EXPECT_EQ(pace.window_bytes, size_t{8} << 10);
}

TEST(Pace, FastNetworkThenTheWindowCoversFourLatenciesOfARanksShare) {
  EXPECT_EQ(pace_of(1, 5e10, 2.5e-6).window_bytes, size_t{500000});
  EXPECT_EQ(pace_of(1, 2e10, 2.5e-5).chunk_bytes, size_t{512} << 10);
  EXPECT_EQ(pace_of(8, 5e10, 1e-5).chunk_bytes, size_t{256} << 10);  // for its message: 250,000 bytes
  EXPECT_EQ(pace_of(8, 5e10, 2.5e-6).window_bytes, size_t{62500});
}

TEST(Pace, PiecesAreWorthTheirMessages) {
  // One microsecond a message: 5 us of the wire.
  EXPECT_EQ(pace_of(64, 1e10, 1e-6).chunk_bytes, size_t{64} << 10);
  EXPECT_EQ(pace_of(64, 5e9, 1e-6).chunk_bytes, size_t{32} << 10);
  EXPECT_EQ(pace_of(64, 1e10, 1e-6).least_piece_bytes, size_t{20000});
  EXPECT_EQ(pace_of(64, 1e8, 1e-6).least_piece_bytes, size_t{512});
}

TEST(Pace, WishesThenTheyCount) {
  const Pace pace = pace_of(1, 5e10, 2.5e-6, {.chunk_bytes = 1, .window = 3, .window_bytes = 4});
  EXPECT_EQ(pace.chunk_bytes, size_t{1});
  EXPECT_EQ(pace.window, 3);
  EXPECT_EQ(pace.window_bytes, size_t{4});
}

}  // namespace
}  // namespace banyan::planner
