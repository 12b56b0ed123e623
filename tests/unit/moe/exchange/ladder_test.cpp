// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/ladder.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "synthetic_step.hpp"

namespace banyan::moe {
namespace {

using testing::tree_of;
using Rung = Ladder::Rung;

TEST(Ladder, DedupAndMachineThenItsRungs) {
  const auto racks = tree_of("4:2 nic=10gbit racks=[2,2] uplink=10gbit");
  const planner::Hosts hosts(racks);
  EXPECT_EQ(Ladder(hosts, Dedup::kNone).rungs(), (std::vector<Rung>{Rung::kRank}));
  EXPECT_EQ(Ladder(hosts, Dedup::kRank).rungs(), (std::vector<Rung>{Rung::kRank}));
  EXPECT_EQ(Ladder(hosts, Dedup::kNode).rungs(), (std::vector<Rung>{Rung::kHost, Rung::kRank}));
  EXPECT_EQ(Ladder(hosts, Dedup::kTier).rungs(), (std::vector<Rung>{Rung::kRack, Rung::kHost, Rung::kRank}));
  const auto flat = tree_of("4:2 nic=10gbit");
  const planner::Hosts flat_hosts(flat);
  EXPECT_EQ(Ladder(flat_hosts, Dedup::kTier).rungs(), (std::vector<Rung>{Rung::kHost, Rung::kRank}));
  const auto one = tree_of("1:4 nic=10gbit");
  const planner::Hosts one_host(one);
  EXPECT_EQ(Ladder(one_host, Dedup::kTier).rungs(), (std::vector<Rung>{Rung::kRank}));
}

TEST(Ladder, EqualHostsThenHoldersAreRailPeers) {
  const auto tree = tree_of("3:4 nic=10gbit");
  const planner::Hosts hosts(tree);
  const Ladder ladder(hosts, Dedup::kNode);
  EXPECT_EQ(ladder.holder(0, 1, 9), 9);  // local place 1 of the third host
  EXPECT_EQ(ladder.holder(0, 1, 11), 9);
  EXPECT_EQ(ladder.holder(0, 1, 3), 1);  // its own host: itself
  EXPECT_EQ(ladder.holder(1, 1, 11), 11);
  EXPECT_EQ(ladder.previous(1, 1, 11), 9);
}

TEST(Ladder, UnequalMachinesThenHoldersAreInTheSubtreeAndAllInItAgree) {
  EXPECT_TRUE(rc::check("one holder for each subtree", [] {
    std::string sizes;
    const int count = *rc::gen::inRange(2, 6);
    for (int host = 0; host < count; ++host) {
      sizes += (host > 0 ? "," : "") + std::to_string(*rc::gen::inRange(1, 6));
    }
    const auto tree = tree_of(std::to_string(count) + ":[" + sizes + "] nic=10gbit racks=[1," +
                              std::to_string(count - 1) + "] uplink=10gbit");
    const planner::Hosts hosts(tree);
    const Ladder ladder(hosts, Dedup::kTier);
    for (size_t rung = 0; rung < ladder.height(); ++rung) {
      for (int source = 0; source < hosts.num_ranks(); ++source) {
        for (int rank = 0; rank < hosts.num_ranks(); ++rank) {
          const int holder = ladder.holder(rung, source, rank);
          RC_ASSERT(ladder.together(rung, holder, rank));
          for (const int other : ladder.below(rung, rank)) {
            RC_ASSERT(ladder.holder(rung, source, other) == holder);
          }
          RC_ASSERT(ladder.holder(rung, source, source) == source);
        }
      }
    }
  }));
}

}  // namespace
}  // namespace banyan::moe
