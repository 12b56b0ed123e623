// SPDX-License-Identifier: Apache-2.0
// All ranks of a communicator make the same plan, of any hosts and traffic, and it holds.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "planner/plan.hpp"
#include "rank_threads.hpp"

namespace banyan::coll {
namespace {

using testing::HostList;
using testing::run_ranks;

constexpr const char* kAlgorithms[] = {"auto", "direct", "hierarchical(rail)", "hierarchical(node)", "bruck(2)"};

/// Two to four hosts of one to three ranks, numbered in any order.
HostList random_hosts() {
  const auto sizes = *rc::gen::container<std::vector<int>>(*rc::gen::inRange<size_t>(2, 5), rc::gen::inRange(1, 4));
  std::vector<int> ranks(static_cast<size_t>(std::accumulate(sizes.begin(), sizes.end(), 0)));
  std::iota(ranks.begin(), ranks.end(), 0);
  for (size_t i = ranks.size(); i > 1; --i) {
    std::swap(ranks[i - 1], ranks[*rc::gen::inRange<size_t>(0, i)]);
  }
  HostList hosts;
  auto next = ranks.begin();
  for (const int size : sizes) {
    hosts.emplace_back(next, next + size);
    std::sort(hosts.back().begin(), hosts.back().end());
    next += size;
  }
  return hosts;
}

/// What all ranks make of it; of equal plans the hashes are equal. make_plan verifies the schedule: every byte arrives
/// once, no rank waits for one that waits for it.
std::vector<size_t> hashes(const HostList& hosts, const planner::Demand& demand, const std::string& algorithm) {
  size_t num_ranks = 0;
  for (const auto& host : hosts) {
    num_ranks += host.size();
  }
  std::vector<size_t> hashes(num_ranks);
  for (const auto& outcome : run_ranks(hosts, {}, [&](Engine& engine) {
         const auto plan = engine.plan(demand, {.algorithm = algorithm, .timeout_s = 0});
         EXPECT_LE(plan.lower_bound_s, plan.choice.chosen.prediction.total_s());
         hashes[static_cast<size_t>(engine.communicator().rank())] =
             std::hash<std::string>{}(planner::explain_json(plan));
       })) {
    EXPECT_EQ(outcome.status, BANYAN_OK) << outcome.text;
  }
  return hashes;
}

TEST(PlanAgreement, AnyHostsAndTrafficThenTheSamePlanOnAllRanks) {
  EXPECT_TRUE(rc::check("same plan on every rank", [] {
    const HostList hosts = random_hosts();
    size_t num_ranks = 0;
    for (const auto& host : hosts) {
      num_ranks += host.size();
    }
    const auto matrix = *rc::gen::container<std::vector<uint64_t>>(
        num_ranks * num_ranks, rc::gen::oneOf(rc::gen::just(uint64_t{0}), rc::gen::inRange<uint64_t>(0, 100),
                                              rc::gen::inRange<uint64_t>(0, 1 << 21)));
    const std::string algorithm =
        *rc::gen::elementOf(std::vector<std::string>(std::begin(kAlgorithms), std::end(kAlgorithms)));
    const bool uniform = *rc::gen::arbitrary<bool>();
    const planner::Demand demand = uniform ? planner::Demand{.block_bytes = matrix[0], .matrix = {}}
                                           : planner::Demand{.block_bytes = 0, .matrix = matrix};
    const auto of_ranks = hashes(hosts, demand, algorithm);
    RC_ASSERT(of_ranks[0] != 0U);
    RC_ASSERT(std::count(of_ranks.begin(), of_ranks.end(), of_ranks[0]) == static_cast<std::ptrdiff_t>(num_ranks));
    RC_ASSERT(!::testing::Test::HasFailure());
  }));
}

TEST(PlanAgreement, OtherTrafficThenAnotherHash) {
  const HostList hosts = testing::consecutive({2, 2});
  const auto small = hashes(hosts, {.block_bytes = 8, .matrix = {}}, "auto");
  const auto large = hashes(hosts, {.block_bytes = size_t{1} << 20, .matrix = {}}, "auto");
  EXPECT_NE(small[0], large[0]);
}

}  // namespace
}  // namespace banyan::coll
