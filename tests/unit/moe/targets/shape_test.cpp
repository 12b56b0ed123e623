// SPDX-License-Identifier: Apache-2.0
#include "moe/targets/shape.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "problems.hpp"

namespace banyan::moe {
namespace {

using topology::Tier;

Shape shape_of(const Scene& scene, const std::vector<size_t>& tokens = {1}) {
  const int ranks = scene.tree.num_ranks();
  return {scene.tree, scene.model, make_demand(ranks, ranks, {}, tokens, 1, 1)};
}

TEST(Shape, EqualHostsThenOneClass) {
  const Scene scene("512:8 racks=16 nic=100gbit");
  EXPECT_EQ(shape_of(scene).classes().size(), 1U);
  EXPECT_EQ(shape_of(scene).classes()[0].copies, 4096);
  EXPECT_EQ(shape_of(Scene("2:[8,7]")).classes().size(), 2U);
  EXPECT_EQ(shape_of(Scene("4:4 nic=[10gbit x3,1gbit]")).classes().size(), 2U);
  EXPECT_EQ(shape_of(Scene("3:2 racks=[2,1]")).classes().size(), 2U) << "equal hosts of unlike racks";
  EXPECT_EQ(shape_of(Scene("2:2"), {1, 1, 1, 2}).classes().size(), 3U) << "a host with unlike ranks, and the other";
}

/// Sums over partners, and how many there are, against pairs of ranks.
TEST(Shape, RandomTreesThenSumsOverPartnersAreThoseOverRanks) {
  EXPECT_TRUE(rc::check([] {
    const RandomScene random = random_scene();
    const auto& tree = random.scene.tree;
    const TokenDemand demand = make_demand(tree.num_ranks(), static_cast<int>(random.owner.size()), random.owner,
                                           random.tokens, random.top_k, 1024);
    const Shape shape(tree, random.scene.model, demand);
    PerClass figures;
    for (size_t c = 0; c < shape.classes().size(); ++c) {
      const auto value = static_cast<double>(c + 1);
      figures.push_back({value, 10 * value, 100 * value, 1000 * value});
    }
    const PerClass sums = shape.sum_partners(figures);
    for (int i = 0; i < tree.num_ranks(); ++i) {
      PerTier expected{};
      std::vector<PerTier> count(shape.classes().size(), PerTier{});
      for (int j = 0; j < tree.num_ranks(); ++j) {
        const int tier = std::max(0, static_cast<int>(tree.common_tier(i, j)) - 1);
        const auto of = static_cast<size_t>(shape.class_of(j));
        expected[static_cast<size_t>(tier)] += figures[of][static_cast<size_t>(tier)];
        count[of][static_cast<size_t>(tier)] += 1;
      }
      for (int tier = 0; tier < kTargetTiers; ++tier) {
        RC_ASSERT(sums[static_cast<size_t>(shape.class_of(i))][static_cast<size_t>(tier)] ==
                  expected[static_cast<size_t>(tier)]);
        for (size_t c = 0; c < count.size(); ++c) {
          RC_ASSERT(shape.partners(shape.class_of(i), static_cast<int>(c), tier) ==
                    count[c][static_cast<size_t>(tier)]);
        }
      }
    }
  }));
}

}  // namespace
}  // namespace banyan::moe
