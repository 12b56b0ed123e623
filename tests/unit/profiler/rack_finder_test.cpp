// SPDX-License-Identifier: Apache-2.0
#include "profiler/rack_finder.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <random>

#include "fake_network.hpp"

namespace banyan::profiler {
namespace {

using Disturb = std::function<void(PairRound&)>;

Clusters find(
    const FakeNetwork& network, const Disturb& disturb = [](PairRound&) {}) {
  RackFinder finder(network.visible_rates());
  for (int i = 0; i < RackFinder::num_rounds(network.num_hosts()); ++i) {
    PairRound round = network.measure(finder.next_pairs());
    disturb(round);
    finder.add(std::move(round));
  }
  return finder.racks();
}

/// Racks of these sizes, hosts in order, NICs of 100, uplinks that carry that of their hosts' NICs.
FakeNetwork network_of(const std::vector<int>& sizes, const std::vector<double>& oversubscription) {
  FakeNetwork network;
  for (size_t rack = 0; rack < sizes.size(); ++rack) {
    network.rack_of.insert(network.rack_of.end(), static_cast<size_t>(sizes[rack]), static_cast<int>(rack));
    network.up.push_back(100.0 * sizes[rack] / oversubscription[rack]);
  }
  network.down = network.up;
  network.nics.assign(network.rack_of.size(), 100);
  return network;
}

FakeNetwork even(int num_racks, int size, double oversubscription) {
  const auto count = static_cast<size_t>(num_racks);
  return network_of(std::vector<int>(count, size), std::vector<double>(count, oversubscription));
}

/// Hosts in any order.
void shuffle(FakeNetwork& network) {
  std::mt19937 order(*rc::gen::arbitrary<unsigned>());
  std::shuffle(network.rack_of.begin(), network.rack_of.end(), order);
}

std::vector<int> any_sizes(int least_racks) {
  std::vector<int> sizes;
  const int count = *rc::gen::inRange(least_racks, 6);
  for (int rack = 0; rack < count; ++rack) {
    sizes.push_back(*rc::gen::inRange(2, 5));
  }
  return sizes;
}

/// Between the bounds, given in tenths.
std::vector<double> any_oversubscription(size_t count, int least, int most) {
  std::vector<double> values;
  for (size_t rack = 0; rack < count; ++rack) {
    values.push_back(*rc::gen::inRange(least, most) / 10.0);
  }
  return values;
}

TEST(RackFinder, TwoRacksOfTwoThenFound) { EXPECT_EQ(find(even(2, 2, 4)), (Clusters{{0, 1}, {2, 3}})); }

TEST(RackFinder, RackLargerThanTheOtherThenFound) {
  EXPECT_EQ(find(network_of({3, 2}, {6, 4})), (Clusters{{0, 1, 2}, {3, 4}}));
}

TEST(RackFinder, OneSwitchThenNone) { EXPECT_EQ(find(even(1, 6, 1)), Clusters{}); }

TEST(RackFinder, HostsAloneInTheirRacksThenNone) { EXPECT_EQ(find(even(6, 1, 2)), Clusters{}); }

TEST(RackFinder, OneHostBehindASlowUplinkThenItIsASlowHost) { EXPECT_EQ(find(network_of({3, 1}, {6, 2})), Clusters{}); }

TEST(RackFinder, SlowNicsThenNotTakenForAnUplink) {
  FakeNetwork network = even(1, 6, 1);
  network.nics = {100, 100, 10, 100, 25, 10};
  EXPECT_EQ(find(network), Clusters{});
}

TEST(RackFinder, SlowNicsBehindUplinksThenRacksFound) {
  FakeNetwork network = network_of({3, 3}, {8, 8});
  network.nics = {100, 100, 50, 50, 100, 100};
  EXPECT_EQ(find(network), network.racks());
}

TEST(RackFinder, MachineThatSlowsAllThenNone) {
  EXPECT_EQ(find(even(1, 6, 1), [](PairRound& round) { std::fill(round.shares.begin(), round.shares.end(), 0.4); }),
            Clusters{});
}

TEST(RackFinder, PairsOfARoundThenDisjointAndAllHostsMeet) {
  EXPECT_TRUE(rc::check([] {
    const int num_hosts = *rc::gen::inRange(RackFinder::kLeastHosts, 20);
    FakeNetwork network = even(1, num_hosts, 1);
    network.rack_of[0] = *rc::gen::inRange(0, 2);
    network.up = network.down = {150, 50};
    RackFinder finder(network.visible_rates());
    std::set<std::pair<int, int>> met;
    for (int round = 0; round < RackFinder::num_rounds(num_hosts); ++round) {
      const HostPairs pairs = finder.next_pairs();
      RC_ASSERT(pairs.size() == static_cast<size_t>(num_hosts / 2));
      std::set<int> hosts;
      for (const auto& [a, b] : pairs) {
        RC_ASSERT(a >= 0 && a < num_hosts && b >= 0 && b < num_hosts);
        RC_ASSERT(hosts.insert(a).second && hosts.insert(b).second);
        met.emplace(std::min(a, b), std::max(a, b));
      }
      finder.add(network.measure(pairs));
    }
    RC_ASSERT(met.size() == static_cast<size_t>(num_hosts * (num_hosts - 1) / 2));
  }));
}

TEST(RackFinder, AnyOversubscribedRacksThenFound) {
  EXPECT_TRUE(rc::check([] {
    const auto sizes = any_sizes(2);
    FakeNetwork network = network_of(sizes, any_oversubscription(sizes.size(), 30, 80));
    shuffle(network);
    RC_ASSERT(find(network) == network.racks());
  }));
}

TEST(RackFinder, UplinksFasterThanTheirHostsThenNone) {
  EXPECT_TRUE(rc::check([] {
    const auto sizes = any_sizes(2);
    FakeNetwork network = network_of(sizes, any_oversubscription(sizes.size(), 3, 10));
    shuffle(network);
    RC_ASSERT(find(network).empty());
  }));
}

TEST(RackFinder, SomeUplinksAreNoLimitThenTheirHostsAreOneGroup) {
  EXPECT_TRUE(rc::check([] {
    const auto sizes = any_sizes(3);
    const size_t limited = sizes.size() / 2;
    std::vector<double> oversubscription = any_oversubscription(limited, 40, 80);
    oversubscription.resize(sizes.size(), 0.5);
    FakeNetwork network = network_of(sizes, oversubscription);
    shuffle(network);
    FakeNetwork expected = network;
    for (int& rack : expected.rack_of) {
      rack = std::min(rack, static_cast<int>(limited));
    }
    RC_ASSERT(find(network) == expected.racks());
  }));
}

TEST(RackFinder, RatesThatVaryThenFound) {
  EXPECT_TRUE(rc::check([] {
    FakeNetwork network = even(*rc::gen::inRange(2, 5), *rc::gen::inRange(2, 5), 4);
    shuffle(network);
    std::mt19937 noise(*rc::gen::arbitrary<unsigned>());
    std::uniform_real_distribution<double> factor(0.9, 1.1);
    const auto vary = [&](PairRound& round) {
      for (double& share : round.shares) {
        share *= factor(noise);
      }
    };
    RC_ASSERT(find(network, vary) == network.racks());
  }));
}

/// One pair in 20 at 40 % of its rate: of 20000 such networks one looks as if it had a rack (5 hosts), so seeds are
/// fixed.
TEST(RackFinder, RatesThatVaryWithoutUplinksThenNone) {
  constexpr unsigned kSeeds = 250;
  for (int num_hosts = RackFinder::kLeastHosts; num_hosts < 12; ++num_hosts) {
    for (unsigned seed = 0; seed < kSeeds; ++seed) {
      const FakeNetwork network = even(1, num_hosts, 1);
      std::mt19937 noise(seed);
      std::uniform_real_distribution<double> factor(0.9, 1.1);
      const auto vary = [&](PairRound& round) {
        for (double& share : round.shares) {
          share *= factor(noise) * (noise() % 20 == 0 ? 0.4 : 1);
        }
      };
      EXPECT_TRUE(find(network, vary).empty()) << num_hosts << " hosts, seed " << seed;
    }
  }
}

TEST(RackFinder, OneRoundDisturbedThenFoundAllTheSame) {
  EXPECT_TRUE(rc::check([] {
    FakeNetwork network = even(*rc::gen::inRange(2, 4), *rc::gen::inRange(2, 4), 4);
    const int disturbed = *rc::gen::inRange(0, RackFinder::num_rounds(network.num_hosts()));
    int round_number = 0;
    const auto disturb = [&](PairRound& round) {
      if (round_number++ == disturbed) {
        round.shares.front() *= 0.3;
      }
    };
    RC_ASSERT(find(network, disturb) == network.racks());
  }));
}

}  // namespace
}  // namespace banyan::profiler
