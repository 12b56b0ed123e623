// SPDX-License-Identifier: Apache-2.0
// Capacities that all ranks share: what stays is what one sorted list of all choices keeps.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <numeric>

#include "exchange_job.hpp"
#include "moe/exchange/shared_capacity.hpp"
#include "moe/exchange/step_capacity.hpp"

namespace banyan::moe {
namespace {

using banyan::testing::consecutive;
using testing::Job;
using testing::run;

constexpr DropPolicy kAllPolicies[] = {DropPolicy::kPosition, DropPolicy::kScore, DropPolicy::kRandom};

Job shared_job() {
  Job job;
  job.hosts = consecutive({2, 1, 2});
  job.tokens = {5, 9, 0, 7, 4};
  job.num_experts = 12;
  job.top_k = 3;
  job.capacity = 4;
  job.scope = CapacityScope::kGlobal;
  return job;
}

/// Announced counts of two ranks for three replicas.
Announced counts_of_two() {
  Announced all;
  all.headers.resize(2);
  all.counts = {3, 0, 2, 4, 1, 2};
  all.num_counts = 3;
  return all;
}

TEST(SharedCapacity, PlacesByRankThenTheFirstRanksKeepTheirs) {
  const Announced all = counts_of_two();
  EXPECT_EQ(kept_by_rank(all, 0, 4), (std::vector<uint32_t>{3, 0, 2}));
  EXPECT_EQ(kept_by_rank(all, 1, 4), (std::vector<uint32_t>{1, 1, 2}));
  EXPECT_EQ(kept_by_rank(all, 1, 2), (std::vector<uint32_t>{0, 1, 0}));
  EXPECT_EQ(count_beyond(all, CapacityScope::kGlobal, 4), 3U);
  EXPECT_EQ(count_beyond(all, CapacityScope::kGlobal, 2), 5U + 0 + 2);
  EXPECT_EQ(count_beyond(all, CapacityScope::kPerRank, 2), 1U + 2);
}

TEST(SharedCapacity, PlacesByKeyThenTheLargestOfAllStayAndOfEqualOnesTheFirstSources) {
  const std::vector<uint32_t> first = {9, 5, 5}, second = {7, 5}, third = {5};
  const std::vector<std::span<const uint32_t>> keys = {first, second, {}, third};
  EXPECT_EQ(kept_by_key(keys, 2), (std::vector<uint32_t>{1, 1, 0, 0}));
  EXPECT_EQ(kept_by_key(keys, 4), (std::vector<uint32_t>{3, 1, 0, 0}));
  EXPECT_EQ(kept_by_key(keys, 5), (std::vector<uint32_t>{3, 2, 0, 0}));
  EXPECT_EQ(kept_by_key(keys, 99), (std::vector<uint32_t>{3, 2, 0, 1}));
}

TEST(SharedCapacity, WeightsOfAnySignThenKeysAreOrderedAsTheyAre) {
  Routing routing;
  for (const float weight : {-3.0F, -1e-30F, -0.0F, 0.0F, 1e-30F, 0.5F, 2.0F}) {
    routing.picks.push_back({.weight = weight});
  }
  const RoutingRules rules{.drop = DropPolicy::kScore};
  for (uint32_t n = 0; n + 1 < routing.picks.size(); ++n) {
    if (n == 2) {
      EXPECT_EQ(drop_key(rules, 0, routing, n), drop_key(rules, 0, routing, n + 1));
    } else {
      EXPECT_LT(drop_key(rules, 0, routing, n), drop_key(rules, 0, routing, n + 1)) << n;
    }
  }
}

TEST(SharedCapacity, EachPolicyDedupAndLayoutThenWhatStaysIsTheDefinitions) {
  std::vector<Job> jobs;
  for (const DropPolicy drop : kAllPolicies) {
    for (const Dedup dedup : {Dedup::kNone, Dedup::kRank, Dedup::kNode}) {
      for (const LayoutKind layout : {LayoutKind::kExpertMajor, LayoutKind::kFlat}) {
        Job& job = jobs.emplace_back(shared_job());
        job.drop = drop;
        job.dedup = dedup;
        job.layout = layout;
        job.alignment = 3;
      }
    }
  }
  std::string complaints;
  const auto outcomes = run(jobs, &complaints);
  EXPECT_EQ(complaints, "");
  for (const auto& ranks : outcomes) {
    EXPECT_GT(ranks[0].dropped, 0U);
  }
}

TEST(SharedCapacity, RoomForAllThenNothingIsDropped) {
  std::vector<Job> jobs(std::size(kAllPolicies), shared_job());
  for (size_t n = 0; n < jobs.size(); ++n) {
    jobs[n].drop = kAllPolicies[n];
    jobs[n].capacity = jobs[n].most_tokens() * jobs[n].size();
  }
  std::string complaints;
  const auto outcomes = run(jobs, &complaints);
  EXPECT_EQ(complaints, "");
  for (size_t n = 0; n < jobs.size(); ++n) {
    EXPECT_EQ(outcomes[n][0].dropped, 0U);
    EXPECT_EQ(testing::compare(jobs[n], outcomes[n]), "");
  }
}

/// The agreed capacity, as ranks with these tokens find it, of two experts on two ranks and top 1.
size_t capacity_of_step(const RoutingRules& rules, uint64_t first_tokens, uint64_t second_tokens) {
  Announced all;
  all.headers.resize(2);
  all.headers[0].num_tokens = first_tokens;
  all.headers[1].num_tokens = second_tokens;
  return step_capacity(rules, all, 2);
}

TEST(StepCapacity, AFactorThenSoManyTimesTheMeanOfTheFullestRankOrOfAll) {
  RoutingRules rules{.top_k = 1, .max_tokens = 10, .capacity_factor = 1.25};
  EXPECT_EQ(capacity_of_step(rules, 3, 8), 5U);
  EXPECT_EQ(capacity_of_step(rules, 0, 0), 0U);
  rules.scope = CapacityScope::kGlobal;
  EXPECT_EQ(capacity_of_step(rules, 3, 8), 7U);  // 6.875
  rules.capacity_factor = 1e6;
  EXPECT_EQ(capacity_of_step(rules, 3, 8), 20U);  // more are not possible
  rules.scope = CapacityScope::kPerRank;
  EXPECT_EQ(capacity_of_step(rules, 3, 8), 10U);
}

TEST(StepCapacity, AsLargeAsNeededThenNothingIsDroppedAndSlotsAreTheFullestReplicas) {
  std::vector<Job> jobs;
  for (const CapacityScope scope : {CapacityScope::kPerRank, CapacityScope::kGlobal}) {
    for (const size_t num_chunks : {1, 3}) {
      Job& job = jobs.emplace_back(shared_job());
      job.capacity = 0;
      job.capacity_is_most = true;
      job.scope = scope;
      job.num_chunks = num_chunks;
      job.alignment = num_chunks;
    }
  }
  jobs.push_back(jobs.back());
  jobs.back().tokens.assign(5, 0);
  std::string complaints;
  const auto outcomes = run(jobs, &complaints);
  EXPECT_EQ(complaints, "");
  for (size_t n = 0; n < jobs.size(); ++n) {
    EXPECT_EQ(outcomes[n][0].dropped, 0U);
    EXPECT_EQ(testing::compare(jobs[n], outcomes[n]), "");
  }
}

TEST(SharedCapacity, RandomMapsShapesAndPoliciesThenWhatStaysIsTheDefinitions) {
  EXPECT_TRUE(rc::check("random shared capacities", [] {
    Job job;
    const std::vector<int> sizes =
        *rc::gen::resize(3, rc::gen::nonEmpty(rc::gen::container<std::vector<int>>(rc::gen::inRange(1, 4))));
    job.hosts = consecutive(sizes);
    const int num_ranks = std::accumulate(sizes.begin(), sizes.end(), 0);
    for (int rank = 0; rank < num_ranks; ++rank) {
      job.tokens.push_back(*rc::gen::inRange<size_t>(0, 10));
    }
    job.num_experts = *rc::gen::inRange(1, 8);
    job.expert_offsets.push_back(0);
    for (int expert = 0; expert < job.num_experts; ++expert) {  // one replica, or two
      const int rank = *rc::gen::inRange(0, num_ranks);
      job.expert_ranks.push_back(rank);
      if (num_ranks > 1 && *rc::gen::arbitrary<bool>()) {
        job.expert_ranks.push_back((rank + 1) % num_ranks);
      }
      job.expert_offsets.push_back(static_cast<int>(job.expert_ranks.size()));
    }
    job.top_k = *rc::gen::inRange(1, std::min(job.num_experts, 4) + 1);
    job.scope = *rc::gen::element(CapacityScope::kGlobal, CapacityScope::kPerRank);
    const size_t most = job.most_tokens() * (job.scope == CapacityScope::kGlobal ? job.size() : 1);
    switch (*rc::gen::inRange(0, 3)) {
      case 0:
        job.capacity = *rc::gen::inRange<size_t>(1, std::min<size_t>(most, 12) + 1);
        break;
      case 1:
        job.capacity_is_most = true;
        break;
      default:
        job.capacity_factor = *rc::gen::element(0.3, 0.5, 1.0, 1.25, 100.0);
    }
    job.drop = *rc::gen::elementOf(std::vector(std::begin(kAllPolicies), std::end(kAllPolicies)));
    job.dedup = *rc::gen::element(Dedup::kNone, Dedup::kRank, Dedup::kNode, Dedup::kTier);
    job.layout = *rc::gen::element(LayoutKind::kExpertMajor, LayoutKind::kFlat);
    job.num_chunks = *rc::gen::inRange<size_t>(1, 4);
    job.num_parts = *rc::gen::element<size_t>(0, 2, 4);
    job.alignment = *rc::gen::inRange<size_t>(1, 4);
    job.weighted = *rc::gen::arbitrary<bool>();
    job.absent = *rc::gen::element(0.0, 0.3);
    job.seed = *rc::gen::inRange<uint64_t>(1, 1000000);
    std::string complaints;
    static_cast<void>(run({job}, &complaints));
    RC_ASSERT(complaints == "");
  }));
}

}  // namespace
}  // namespace banyan::moe
