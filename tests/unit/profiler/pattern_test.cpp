// SPDX-License-Identifier: Apache-2.0
#include "profiler/pattern.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>
#include <numeric>
#include <set>

namespace banyan::profiler {
namespace {

using topology::LocalityTree;
using topology::Tier;

TEST(Layout, AnyFlowsThenSendersAndReceiversAgree) {
  EXPECT_TRUE(rc::check([] {
    const int num_ranks = *rc::gen::inRange(1, 9);
    const auto scale = *rc::gen::inRange<size_t>(1, 100000);
    Flows flows;
    for (int from = 0; from < num_ranks; ++from) {
      for (int to = 0; to < num_ranks; ++to) {
        if (from != to && *rc::gen::arbitrary<bool>()) {
          flows.push_back({.from = from, .to = to, .weight = *rc::gen::inRange(0, 5) * 0.25, .group = 0});
        }
      }
    }
    std::vector<Layout> layouts;
    for (int rank = 0; rank < num_ranks; ++rank) {
      layouts.push_back(layout_of(flows, rank, num_ranks, scale));
    }
    size_t pairs = 0;
    for (size_t from = 0; from < layouts.size(); ++from) {
      for (size_t to = 0; to < layouts.size(); ++to) {
        const size_t bytes = layouts[from].send_bytes[to];
        RC_ASSERT(bytes == layouts[to].recv_bytes[from]);
        RC_ASSERT(layouts[from].send_offsets[to] + bytes <= layouts[from].send_total);
        RC_ASSERT(layouts[to].recv_offsets[from] + bytes <= layouts[to].recv_total);
        pairs += bytes > 0 ? 1 : 0;
      }
    }
    RC_ASSERT(pairs == flows.size());
  }));
}

TEST(Layout, ManySendersThenReceivedBlocksDoNotOverlap) {
  const Flows flows = {{.from = 0, .to = 3}, {.from = 1, .to = 3}, {.from = 2, .to = 3, .weight = 0.5}};
  const Layout layout = layout_of(flows, 3, 4, 100);
  EXPECT_EQ(layout.recv_bytes, (std::vector<size_t>{100, 100, 50, 0}));
  EXPECT_GE(layout.recv_offsets[1], 100u);
  EXPECT_GE(layout.recv_offsets[2], layout.recv_offsets[1] + 100);
  EXPECT_DOUBLE_EQ(largest_inflow(flows, 4), 2.5);
}

TEST(HostFlows, UnevenHostsThenEveryRankOfTheLargerTakesPartOnce) {
  Flows flows;
  add_host_flows(flows, {0, 1}, {2, 3, 4}, 6, 1);
  const Flows expected = {{0, 2, 2, 1}, {1, 3, 2, 1}, {0, 4, 2, 1}};
  EXPECT_EQ(flows, expected);
}

TEST(HostFlows, AnySizesThenPairsAreDistinctAndWeightIsKept) {
  EXPECT_TRUE(rc::check([] {
    std::vector<int> from(*rc::gen::inRange<size_t>(1, 20));
    std::vector<int> to(*rc::gen::inRange<size_t>(1, 20));
    std::iota(from.begin(), from.end(), 0);
    std::iota(to.begin(), to.end(), 100);
    Flows flows;
    add_host_flows(flows, from, to, 3, 0);
    std::set<std::pair<int, int>> pairs;
    double weight = 0;
    for (const Flow& flow : flows) {
      pairs.emplace(flow.from, flow.to);
      weight += flow.weight;
    }
    RC_ASSERT(pairs.size() == flows.size());
    RC_ASSERT(std::abs(weight - 3) < 1e-9);
  }));
}

TEST(Tournament, AnyNumberThenEveryTwoMeetOnceInDisjointRounds) {
  for (int n = 0; n < 40; ++n) {
    const auto rounds = tournament(n);
    EXPECT_EQ(rounds.size(), n < 2 ? 0u : static_cast<size_t>(n % 2 == 0 ? n - 1 : n));
    std::set<std::pair<int, int>> met;
    for (const auto& round : rounds) {
      std::set<int> busy;
      for (const auto& [a, b] : round) {
        EXPECT_TRUE(busy.insert(a).second && busy.insert(b).second) << "round not disjoint, n " << n;
        met.emplace(std::min(a, b), std::max(a, b));
      }
    }
    EXPECT_EQ(met.size(), static_cast<size_t>(n * (n - 1) / 2)) << "n " << n;
  }
}

TEST(Partners, AnyLimitThenDistinctOthers) {
  for (int n = 2; n < 50; ++n) {
    for (const int limit : {1, 3, 32}) {
      const auto chosen = partners(n, n / 2, limit);
      const std::set<int> distinct(chosen.begin(), chosen.end());
      EXPECT_EQ(distinct.size(), static_cast<size_t>(std::min(limit, n - 1)));
      EXPECT_EQ(distinct.count(n / 2), 0u);
    }
  }
}

TEST(FairShares, SlowReceiverThenOthersShareWhatItLeaves) {
  EXPECT_EQ(fair_shares(150, {100, 50, 50}), (std::vector<double>{50, 50, 50}));
  EXPECT_EQ(fair_shares(180, {100, 50, 50}), (std::vector<double>{80, 50, 50}));
  EXPECT_EQ(fair_shares(500, {100, 50, 50}), (std::vector<double>{100, 50, 50}));
}

TEST(FairShares, AnyLimitsThenNeitherTheyNorTheCapacityArePassed) {
  EXPECT_TRUE(rc::check([] {
    const auto limits = *rc::gen::nonEmpty(rc::gen::container<std::vector<double>>(
        rc::gen::map(rc::gen::inRange(1, 1000), [](int value) { return static_cast<double>(value); })));
    const double capacity = *rc::gen::inRange(1, 5000);
    const auto shares = fair_shares(capacity, limits);
    double sum = 0;
    for (size_t i = 0; i < shares.size(); ++i) {
      RC_ASSERT(shares[i] > 0 && shares[i] <= limits[i] + 1e-9);
      sum += shares[i];
    }
    const double all = std::accumulate(limits.begin(), limits.end(), 0.0);
    RC_ASSERT(std::abs(sum - std::min(capacity, all)) < 1e-6);
  }));
}

TEST(Normalise, AnyWeightsThenLargestIsOne) {
  Flows flows = {{.from = 0, .to = 1, .weight = 4}, {.from = 1, .to = 0, .weight = 1}};
  normalise(flows);
  EXPECT_EQ(flows[0].weight, 1);
  EXPECT_EQ(flows[1].weight, 0.25);
}

TEST(MessagePatterns, UnevenHostsThenOnlyPairsOfTheTierAndDistinct) {
  const LocalityTree tree = LocalityTree::from_hosts({{0, 2, 4}, {1, 3}, {5}}, 1e9);
  for (const Tier tier : {Tier::kDomain, Tier::kRack}) {
    const MessagePatterns patterns = message_patterns(tree, tier, 16);
    std::set<std::pair<int, int>> pairs;
    std::map<int, int> sent;
    int most = 0;
    for (const Flow& flow : patterns.many) {
      EXPECT_EQ(tree.common_tier(flow.from, flow.to), tier);
      pairs.emplace(flow.from, flow.to);
      most = std::max(most, ++sent[flow.from]);
    }
    EXPECT_EQ(pairs.size(), patterns.many.size());
    EXPECT_EQ(patterns.busiest_many.rank, most) << "every pair is used, in both directions";
    EXPECT_GT(patterns.busiest_many.rank, patterns.busiest_few.rank);
  }
}

TEST(MessagePatterns, ManyRanksThenNoMoreThanTheLimit) {
  std::vector<std::vector<int>> hosts(8);
  for (int rank = 0; rank < 64; ++rank) {
    hosts[static_cast<size_t>(rank / 8)].push_back(rank);
  }
  const MessagePatterns patterns = message_patterns(LocalityTree::from_hosts(hosts, 1e9), Tier::kRack, 16);
  EXPECT_EQ(patterns.busiest_few.rank, 1);
  EXPECT_EQ(patterns.busiest_many.rank, 16);
}

TEST(MessagePatterns, OneRankThenItAloneTalksToOthersOfTheTierBothWays) {
  const LocalityTree tree = LocalityTree::from_hosts({{0, 2, 4}, {1, 3}, {5}}, 1e9);
  const MessagePatterns patterns = one_rank_patterns(tree, Tier::kRack, 2, 16);
  const Flows few = {{2, 1, 1, 0}, {1, 2, 1, 0}};
  const Flows many = {{2, 1, 1, 0}, {1, 2, 1, 0}, {2, 3, 1, 0}, {3, 2, 1, 0}, {2, 5, 1, 0}, {5, 2, 1, 0}};
  EXPECT_EQ(patterns.few, few);
  EXPECT_EQ(patterns.many, many);
  EXPECT_EQ(patterns.busiest_few.rank, 1);
  EXPECT_EQ(patterns.busiest_many.rank, 3);
  EXPECT_EQ(one_rank_patterns(tree, Tier::kRack, 2, 2).busiest_many.rank, 2) << "no more than the limit";
  EXPECT_TRUE(one_rank_patterns(tree, Tier::kDomain, 5, 16).many.empty()) << "it has no neighbour";
}

TEST(Busiest, UnevenHostsThenHostsAreSumsOfTheirRanks) {
  const LocalityTree tree = LocalityTree::from_hosts({{0, 2}, {1, 3}}, 1e9);
  const Busiest most = busiest(tree, {{.from = 0, .to = 1}, {.from = 2, .to = 1}, {.from = 2, .to = 3}});
  EXPECT_EQ(most.rank, 2);
  EXPECT_EQ(most.host, 3);
}

TEST(MessagePatterns, TwoRanksAHostThenInsideNoRankHasMoreThanOneMessage) {
  const LocalityTree tree = LocalityTree::from_hosts({{0, 1}, {2, 3}}, 1e9);
  EXPECT_EQ(message_patterns(tree, Tier::kDomain, 16).extra().rank, 0) << "so a slope over messages cannot be had";
  EXPECT_EQ(message_patterns(tree, Tier::kRack, 16).extra().rank, 1);
  EXPECT_EQ(message_patterns(tree, Tier::kRack, 16).extra().host, 2);
}

TEST(MessagePatterns, NoPairOfTheTierThenEmpty) {
  const MessagePatterns patterns = message_patterns(LocalityTree::from_hosts({{0}, {1}}, 1e9), Tier::kDomain, 16);
  EXPECT_TRUE(patterns.few.empty());
  EXPECT_EQ(patterns.busiest_many.rank, 0);
}

}  // namespace
}  // namespace banyan::profiler
