// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/layout.hpp"

#include <gtest/gtest.h>

namespace banyan::moe {
namespace {

/// Arrivals of sources 1, 0, 0, 1: rows come by the rank that hands them over.
Arrivals some_arrivals() {
  Arrivals arrivals;
  arrivals.source = {1, 1, 0, 0};
  arrivals.number = {0, 1, 0, 1};
  arrivals.pick_begin = {0, 2, 3, 4, 6};
  arrivals.local_experts = {0, 2, 0, 2, 0, 2};
  arrivals.weights.assign(6, 1);
  return arrivals;
}

LayoutRules rules_of(LayoutKind kind) {
  return {.kind = kind, .alignment = 1, .capacity = 0, .max_tokens = 3, .num_ranks = 2, .num_local_experts = 3};
}

TEST(Layout, ByExpertThenSourcesInOrderWithinEach) {
  const Layout layout = make_layout(rules_of(LayoutKind::kExpertMajor), some_arrivals());
  EXPECT_EQ(layout.expert_counts, (std::vector<size_t>{3, 0, 3}));
  EXPECT_EQ(layout.expert_begin, (std::vector<size_t>{0, 3, 3, 6}));
  EXPECT_EQ(layout.place, (std::vector<uint32_t>{1, 5, 2, 3, 0, 4}));
  EXPECT_TRUE(layout.unused.empty());
}

TEST(Layout, AlignmentThenExpertsBeginAtMultiplesAndTheRestIsUnused) {
  auto rules = rules_of(LayoutKind::kExpertMajor);
  rules.alignment = 4;
  const Layout layout = make_layout(rules, some_arrivals());
  EXPECT_EQ(layout.expert_begin, (std::vector<size_t>{0, 4, 4, 8}));
  EXPECT_EQ(layout.rows, 8U);
  EXPECT_EQ(layout.unused, (std::vector<uint32_t>{3, 7}));
}

TEST(Layout, CapacityThenEachSourceHasItsSlots) {
  auto rules = rules_of(LayoutKind::kExpertMajor);
  rules.capacity = 2;
  const Layout layout = make_layout(rules, some_arrivals());
  EXPECT_EQ(layout.rows, 3U * 2 * 2);
  EXPECT_EQ(layout.place, (std::vector<uint32_t>{2, 10, 3, 8, 0, 9}));
  EXPECT_EQ(layout.unused, (std::vector<uint32_t>{1, 4, 5, 6, 7, 11}));
}

TEST(Layout, BySourceThenRowsOnceEach) {
  EXPECT_EQ(make_layout(rules_of(LayoutKind::kFlat), some_arrivals()).place, (std::vector<uint32_t>{2, 3, 0, 1}));
  const Layout layout = make_layout(rules_of(LayoutKind::kRankMajor), some_arrivals());
  EXPECT_EQ(layout.place, (std::vector<uint32_t>{3, 4, 0, 1}));
  EXPECT_EQ(layout.unused, (std::vector<uint32_t>{2, 5}));
}

}  // namespace
}  // namespace banyan::moe
