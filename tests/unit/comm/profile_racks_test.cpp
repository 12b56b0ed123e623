// SPDX-License-Identifier: Apache-2.0
// Racks that a profile inferred come and go with it.
#include <gtest/gtest.h>

#include <functional>
#include <thread>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/factory.hpp"

namespace banyan::comm {
namespace {

using topology::Tier;
using Ranks = std::vector<std::unique_ptr<Communicator>>;

/// Ranks as threads, one on each of four hosts.
Ranks four_hosts() {
  std::vector<Settings> settings(4);
  for (size_t rank = 0; rank < settings.size(); ++rank) {
    settings[rank].host_id = "h" + std::to_string(rank);
  }
  return create_local(settings);
}

/// Hosts 0 and 2, and 1 and 3, behind uplinks of 1 and 2 MB/s.
cost::Profile profile_of(const Communicator& comm) {
  cost::Profile profile;
  profile.num_ranks = comm.size();
  for (const int index : comm.tree().at_tier(Tier::kNode)) {
    const auto& node = comm.tree().node(index);
    profile.hosts.push_back({node.key, node.name, 1, 5e6, 5e6});
  }
  profile.inferred_racks = {{{0, 2}, 1e6, 1e6}, {{1, 3}, 2e6, 2e6}};
  return profile;
}

void on_all(const Ranks& ranks, const std::function<void(size_t)>& run) {
  std::vector<std::thread> threads;
  for (size_t rank = 0; rank < ranks.size(); ++rank) {
    threads.emplace_back(run, rank);
  }
  for (auto& thread : threads) {
    thread.join();
  }
}

TEST(ProfileRacks, ProfileThenTreeAndModelHaveThemOnAllRanks) {
  const Ranks ranks = four_hosts();
  const auto profile = profile_of(*ranks[0]);
  on_all(ranks, [&](size_t rank) { ranks[rank]->set_profile(rank == 0 ? std::optional(profile) : std::nullopt); });
  for (const auto& comm : ranks) {
    const auto racks = comm->tree().at_tier(Tier::kRack);
    ASSERT_EQ(racks.size(), 2u);
    EXPECT_EQ(comm->tree().node(racks[0]).ranks, (std::vector<int>{0, 2}));
    EXPECT_EQ(comm->model().subtrees.at(static_cast<size_t>(racks[1])), (cost::SubtreeCapacity{2e6, 2e6, true}));
    EXPECT_EQ(comm->model().subtrees.size(), comm->tree().nodes().size());
  }
}

TEST(ProfileRacks, ProfileTakenAwayThenGone) {
  const Ranks ranks = four_hosts();
  const auto profile = profile_of(*ranks[0]);
  const auto before = ranks[0]->tree();
  on_all(ranks, [&](size_t rank) {
    ranks[rank]->set_profile(profile);
    ranks[rank]->set_profile(std::nullopt);
  });
  EXPECT_EQ(ranks[3]->tree(), before);
  EXPECT_EQ(ranks[3]->model().subtrees.size(), before.nodes().size());
}

TEST(ProfileRacks, SplitThenItsTreeHasTheRacksOfItsHosts) {
  const Ranks ranks = four_hosts();
  const auto profile = profile_of(*ranks[0]);
  on_all(ranks, [&](size_t rank) {
    const auto child = split(*ranks[rank], rank < 3 ? 0 : -1, 0);
    if (child) {
      child->set_profile(profile);
      EXPECT_EQ(child->tree().at_tier(Tier::kRack).size(), 2u);
      EXPECT_EQ(child->tree().common_tier(0, 2), Tier::kRack);
      EXPECT_EQ(child->tree().common_tier(0, 1), Tier::kCluster);
    }
  });
}

}  // namespace
}  // namespace banyan::comm
