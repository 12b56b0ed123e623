// SPDX-License-Identifier: Apache-2.0
#include "moe/placement/packing.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cost/profile.hpp"

namespace banyan::moe {
namespace {

using ::testing::ElementsAre;

/// Experts of these loads on one host, with as many ranks as there are slots.
struct Setting {
  Setting(const std::vector<double>& load, std::vector<int> given)
      : slots(std::move(given)),
        tree(topology::LocalityTree::from_hosts({numbers(slots.size())}, 1e9)),
        hosts(tree),
        model(cost::nominal_model(tree)),
        demand(load, 1, static_cast<int>(load.size())) {}

  static std::vector<int> numbers(size_t count) {
    std::vector<int> all;
    for (size_t i = 0; i < count; ++i) {
      all.push_back(static_cast<int>(i));
    }
    return all;
  }

  [[nodiscard]] PackingTerms terms(int max_replicas = 0) const {
    return {.hosts = hosts, .model = model, .demand = demand, .slots = slots, .max_replicas = max_replicas};
  }

  std::vector<int> slots;
  topology::LocalityTree tree;
  planner::Hosts hosts;
  cost::CostModel model;
  Demand demand;
};

TEST(Packing, ReplicasThenInProportionToLoadRoundedUp) {
  EXPECT_THAT(replica_counts(Setting({4, 2, 1, 1}, {4, 4, 4, 4}).terms(), false), ElementsAre(2, 1, 1, 1));
  EXPECT_THAT(replica_counts(Setting({5, 1, 1, 1}, {4, 4, 4, 4}).terms(), false), ElementsAre(3, 1, 1, 1));  // 2.5
  EXPECT_THAT(replica_counts(Setting({0, 0}, {4, 4}).terms(), false), ElementsAre(1, 1));
  EXPECT_THAT(replica_counts(Setting({1, 0, 0}, {9, 9, 9}).terms(2), false), ElementsAre(2, 1, 1));
}

TEST(Packing, TooFewSlotsThenTheNextReplicaGoesWhereOneHasMostLoad) {
  // n is 3, 2 and 1.
  EXPECT_THAT(replica_counts(Setting({12, 8, 4}, {1, 1, 1, 1, 1, 1}).terms(), false), ElementsAre(3, 2, 1));
  EXPECT_THAT(replica_counts(Setting({12, 8, 4}, {1, 1, 1, 1, 1, 0}).terms(), false), ElementsAre(2, 2, 1));
  EXPECT_THAT(replica_counts(Setting({12, 8, 4}, {1, 1, 1, 1, 0, 0}).terms(), false), ElementsAre(2, 1, 1));
}

TEST(Packing, FillThenAllSlotsWithLoad) {
  EXPECT_THAT(replica_counts(Setting({4, 4, 0}, {3, 3, 3}).terms(), true), ElementsAre(3, 3, 1));
  EXPECT_THAT(replica_counts(Setting({4, 4, 0}, {9, 9, 0}).terms(), true), ElementsAre(2, 2, 1)) << "two ranks";
}

TEST(Packing, OnlyRanksWithTheExpertHaveSlotsThenThePieceIsLeftOut) {
  // Both pieces of expert 0 come first and are on both ranks; its third has no rank, expert 1 gets the slot.
  const Setting setting({9, 1}, {2, 1});
  EXPECT_THAT(packed(setting.terms(), {2, 1}, {}), ElementsAre(ElementsAre(0, 1), ElementsAre(0)));
  EXPECT_THAT(packed(setting.terms(), {3, 1}, {}), ElementsAre(ElementsAre(0, 1), ElementsAre(0)));
}

TEST(Packing, StartThenItsPiecesStay) {
  const Setting setting({8, 4}, {2, 2});
  EXPECT_THAT(packed(setting.terms(), {2, 1}, {{1}, {1}}), ElementsAre(ElementsAre(0, 1), ElementsAre(1)));
}

}  // namespace
}  // namespace banyan::moe
