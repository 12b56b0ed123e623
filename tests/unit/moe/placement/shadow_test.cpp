// SPDX-License-Identifier: Apache-2.0
#include "moe/placement/shadow.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.hpp"

namespace banyan::moe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// FastMoE's defaults (fmoe/fastermoe/shadow_policy.py) with H = 2048.
ShadowTerms fastmoe_defaults(int ranks, const std::vector<int64_t>& counts) {
  ShadowTerms terms;
  terms.num_ranks = ranks;
  terms.num_experts = static_cast<int>(counts.size()) / ranks;
  terms.counts = counts;
  terms.hidden = 2048;
  terms.flops_per_s = 11.5e12;
  terms.bandwidth_bytes_per_s = 50e9 / 8;
  terms.policy = ShadowPolicy::kFastmoe;
  return terms;
}

TEST(Shadow, FastmoeDefaultsThenCostsOfTheReference) {
  const ShadowCosts costs = shadow_costs(fastmoe_defaults(1, {1}));
  EXPECT_NEAR(costs.compute_s / 3, 2.918e-6, 5e-10);
  EXPECT_NEAR(costs.transfer_s / 4, 1.311e-6, 5e-10);
  EXPECT_NEAR(costs.compute_s + costs.transfer_s, 13.996e-6, 5e-10);
  EXPECT_NEAR(costs.weights_s, 10.737e-3, 5e-7);
}

TEST(Shadow, FastmoeDefaultsThenAGapOf768TokensPaysAnd767Not) {
  for (const int64_t gap : {767, 768}) {
    const std::vector<int64_t> counts = {1000 + gap, 1000};
    const ShadowDecision decision = decide_shadows(fastmoe_defaults(1, counts));
    EXPECT_THAT(decision.shadowed, ElementsAre(gap == 768, false));
    EXPECT_NEAR(decision.time_before_s, static_cast<double>(1000 + gap) * 13.9964e-6, 1e-6);
    EXPECT_EQ(decision.max_after, gap == 768 ? 1000 : 1767);
  }
}

/// One hot expert on rank 0 of four, whose tokens come from all ranks alike.
ShadowTerms hot(const std::vector<int64_t>& counts) {
  ShadowTerms terms = fastmoe_defaults(4, counts);
  terms.policy = ShadowPolicy::kPaper;
  return terms;
}

TEST(Shadow, PaperByHandThenFormulas7And8) {
  const std::vector<int64_t> counts = {4000, 100, 100, 100, 4000, 100, 100, 100,
                                       4000, 100, 100, 100, 4000, 100, 100, 100};
  const ShadowDecision decision = decide_shadows(hot(counts));
  const double h = 2048;
  const double weights = 2 * h * h;  // alpha H^2
  EXPECT_THAT(decision.shadowed, ElementsAre(true, false, false, false));
  EXPECT_EQ(decision.max_before, 16000);
  EXPECT_EQ(decision.max_after, 4400);  // ranks 1 to 3: 4000 of their own and 400 for their expert
  EXPECT_NEAR(decision.time_before_s, 12.0 * 16000 * weights / 11.5e12 + 4.0 * 16000 * h * 4 / 6.25e9, 1e-12);
  EXPECT_NEAR(decision.time_after_s, 12.0 * 4400 * weights / 11.5e12 + 2.0 * 2 * weights * 4 / 6.25e9, 1e-12);
}

TEST(Shadow, EvenAndSmallLoadsThenNothing) {
  const std::vector<int64_t> counts(16, 50);
  for (const ShadowPolicy policy : {ShadowPolicy::kPaper, ShadowPolicy::kFastmoe}) {
    ShadowTerms terms = hot(counts);
    terms.policy = policy;
    const ShadowDecision decision = decide_shadows(terms);
    EXPECT_THAT(decision.shadowed, ElementsAre(false, false, false, false));
    EXPECT_EQ(decision.time_before_s, decision.time_after_s);
  }
}

/// Formulas 9 and 10 for the first expert: whether shadowing it lowers the time that is predicted.
bool pays(const ShadowTerms& terms, double most, double after) {
  const auto h = static_cast<double>(terms.hidden);
  const double weight = terms.alpha * h;  // r alpha H with r = 1
  const double elements_per_s = terms.bandwidth_bytes_per_s / static_cast<double>(terms.element_size);
  return most > weight || 3 * (most - after) * terms.alpha * h / (weight - most) > terms.flops_per_s / elements_per_s;
}

TEST(Shadow, PaperRandomThenTheFirstStepIsFormulas9And10AndTimesNeverRise) {
  EXPECT_TRUE(rc::check([] {
    const int ranks = *rc::gen::inRange(1, 6);
    const auto counts = *rc::gen::container<std::vector<int64_t>>(
        static_cast<size_t>(ranks * ranks * *rc::gen::inRange(1, 3)),
        rc::gen::weightedOneOf<int64_t>(
            {{3, rc::gen::inRange<int64_t>(0, 50)}, {1, rc::gen::inRange<int64_t>(0, 2000)}}));
    ShadowTerms terms = fastmoe_defaults(ranks, counts);
    terms.policy = ShadowPolicy::kPaper;
    terms.hidden = *rc::gen::element<size_t>(64, 512);
    terms.element_size = *rc::gen::element<size_t>(1, 2, 4);
    const ShadowDecision decision = decide_shadows(terms);
    RC_ASSERT(decision.time_after_s <= decision.time_before_s);
    // The busiest expert, and the load of ranks with it shadowed.
    const auto experts = static_cast<size_t>(terms.num_experts);
    std::vector<int64_t> load(experts, 0);
    for (size_t i = 0; i < counts.size(); ++i) {
      load[i % experts] += counts[i];
    }
    const auto first = static_cast<size_t>(std::max_element(load.begin(), load.end()) - load.begin());
    std::vector<int64_t> work(static_cast<size_t>(ranks), 0);
    std::vector<int64_t> after(static_cast<size_t>(ranks), 0);
    for (size_t expert = 0; expert < experts; ++expert) {
      const size_t owner = expert * static_cast<size_t>(ranks) / experts;
      work[owner] += load[expert];
      after[owner] += expert == first ? 0 : load[expert];
    }
    for (size_t rank = 0; rank < work.size(); ++rank) {
      after[rank] += counts[rank * experts + first];
    }
    const auto most = static_cast<double>(*std::max_element(work.begin(), work.end()));
    const auto most_after = static_cast<double>(*std::max_element(after.begin(), after.end()));
    RC_ASSERT(decision.max_before == static_cast<int64_t>(most));
    // Formula 9 takes for granted that shadowing does not make the busiest rank busier.
    if (most_after < most) {
      RC_ASSERT(decision.shadowed[first] == pays(terms, most, most_after));
    }
  }));
}

TEST(Shadow, OwnersThenTheirLoadCounts) {
  const std::vector<int64_t> counts = {900, 800, 1, 900, 800, 1};
  ShadowTerms terms = fastmoe_defaults(2, counts);
  terms.policy = ShadowPolicy::kPaper;
  const std::vector<int> apart = {0, 1, 1};
  terms.owner = apart;
  EXPECT_EQ(decide_shadows(terms).max_before, 1800);
  const std::vector<int> together = {1, 1, 0};
  terms.owner = together;
  EXPECT_EQ(decide_shadows(terms).max_before, 3400);
}

void expect_rejected(const ShadowTerms& terms, banyan_status status, const std::string& text) {
  try {
    static_cast<void>(decide_shadows(terms));
    ADD_FAILURE() << "no error: " << text;
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), status);
    EXPECT_THAT(error.what(), HasSubstr(text));
  }
}

TEST(Shadow, BadInputThenNamed) {
  const std::vector<int64_t> counts(8, 1);
  const auto bad = [&](auto change, const std::string& text) {
    ShadowTerms terms = fastmoe_defaults(2, counts);
    change(terms);
    expect_rejected(terms, BANYAN_ERR_INVALID_ARGUMENT, text);
  };
  const std::vector<int64_t> negative = {1, 1, 1, 1, 1, -3, 1, 1};
  const std::vector<int> owner = {0, 1, 2, 0};
  bad([](auto& t) { t.num_ranks = 0; }, "num_ranks is 0");
  bad([](auto& t) { t.hidden = 0; }, "hidden is 0");
  bad([](auto& t) { t.alpha = -1; }, "alpha is -1");
  bad([](auto& t) { t.flops_per_s = 0; }, "flops_per_s is 0");
  bad([](auto& t) { t.bandwidth_bytes_per_s = std::numeric_limits<double>::infinity(); },
      "bandwidth_bytes_per_s is inf");
  bad([](auto& t) { t.element_size = 0; }, "element_size is 0");
  bad([&](auto& t) { t.counts = negative; }, "counts[5] is -3");
  bad([&](auto& t) { t.owner = owner; }, "owner[2] is 2, must be 0 to 1");
  bad([](auto& t) { t.num_ranks = 3; }, "4 experts can't be divided by 3 ranks");
  const std::vector<int64_t> large(8, int64_t{1} << 52);
  ShadowTerms terms = fastmoe_defaults(2, large);
  expect_rejected(terms, BANYAN_ERR_LIMIT, "counts up to entry 1");
}

}  // namespace
}  // namespace banyan::moe
