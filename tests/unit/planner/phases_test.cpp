// SPDX-License-Identifier: Apache-2.0
// The phases of algorithms/direct.hpp: permutations of ranks and of hosts, and no more of them than there must be.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "planner/algorithms/direct.hpp"
#include "topology/discover.hpp"
#include "trees.hpp"

namespace banyan::planner {
namespace {

using PhaseAndRank = std::pair<int, int>;
using PhaseAndHost = std::pair<int, int>;

/// Hosts of those sizes, over which ranks are dealt in any order.
topology::LocalityTree shuffled_tree(const std::vector<int>& sizes) {
  std::vector<int> order(static_cast<size_t>(std::accumulate(sizes.begin(), sizes.end(), 0)));
  std::iota(order.begin(), order.end(), 0);
  for (size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[static_cast<size_t>(*rc::gen::inRange(0, static_cast<int>(i)))]);
  }
  std::vector<std::vector<int>> hosts;
  auto next = order.begin();
  for (const int size : sizes) {
    hosts.emplace_back(next, next + size);
    std::sort(hosts.back().begin(), hosts.back().end());
    next += size;
  }
  return topology::LocalityTree::from_hosts(hosts, 1e9);
}

/// Messages between hosts, from the orders in which ranks send.
struct Phases {
  explicit Phases(const Hosts& hosts) {
    for (int from = 0; from < hosts.num_ranks(); ++from) {
      for (const int to : direct::remote_send_order(hosts, from)) {
        add(hosts, from, to);
      }
    }
  }
  void add(const Hosts& hosts, int from, int to) {
    const int phase = direct::phase(hosts, from, to);
    ++sent[{phase, from}];
    ++received[{phase, to}];
    receiving_hosts[{phase, hosts.host_of(from)}].insert(hosts.host_of(to));
    sending_hosts[{phase, hosts.host_of(to)}].insert(hosts.host_of(from));
    used.insert(phase);
  }

  std::map<PhaseAndRank, int> sent;
  std::map<PhaseAndRank, int> received;
  std::map<PhaseAndHost, std::set<int>> receiving_hosts;  ///< of a host that sends
  std::map<PhaseAndHost, std::set<int>> sending_hosts;    ///< to a host that receives
  std::set<int> used;
};

/// No schedule has fewer in which every rank sends at most one message to another host and receives at most one.
int least_phases(const Hosts& hosts) {
  int least = 0;
  for (int host = 0; host < hosts.count(); ++host) {
    least = std::max(least, hosts.num_ranks() - hosts.size(host));
  }
  return least;
}

void expect_permutations(const Phases& phases) {
  const auto one = [](const auto& entry) { return entry.second == 1; };
  const auto one_host = [](const auto& entry) { return entry.second.size() == 1; };
  RC_ASSERT(std::all_of(phases.sent.begin(), phases.sent.end(), one));
  RC_ASSERT(std::all_of(phases.received.begin(), phases.received.end(), one));
  RC_ASSERT(std::all_of(phases.receiving_hosts.begin(), phases.receiving_hosts.end(), one_host));
  RC_ASSERT(std::all_of(phases.sending_hosts.begin(), phases.sending_hosts.end(), one_host));
}

TEST(Phases, AnyHostsThenOneMessageEachWayPerRankAndOnePartnerEachWayPerHost) {
  EXPECT_TRUE(rc::check("phases are permutations", [] {
    const auto sizes = *rc::gen::container<std::vector<int>>(*rc::gen::inRange(2, 8), rc::gen::inRange(1, 9));
    const auto tree = shuffled_tree(sizes);
    const Hosts hosts(tree);
    const Phases phases(hosts);
    expect_permutations(phases);
    const int most = (hosts.count() - 1) * *std::max_element(sizes.begin(), sizes.end());
    RC_ASSERT(*phases.used.begin() >= 0);
    RC_ASSERT(*phases.used.rbegin() < most);
    RC_ASSERT(static_cast<int>(phases.used.size()) >= least_phases(hosts));
  }));
}

TEST(Phases, EqualHostsThenNoMorePhasesThanThereMustBeAndEveryRankBusyInEach) {
  EXPECT_TRUE(rc::check("phases are as few as may be", [] {
    const int n = *rc::gen::inRange(2, 8);
    const int m = *rc::gen::inRange(1, 9);
    const auto tree = shuffled_tree(std::vector<int>(static_cast<size_t>(n), m));
    const Hosts hosts(tree);
    const Phases phases(hosts);
    expect_permutations(phases);
    RC_ASSERT(static_cast<int>(phases.used.size()) == (n - 1) * m);
    RC_ASSERT(static_cast<int>(phases.used.size()) == least_phases(hosts));
    RC_ASSERT(phases.sent.size() == static_cast<size_t>((n - 1) * m * n * m));
    RC_ASSERT(phases.received.size() == phases.sent.size());
  }));
}

TEST(Phases, AnyHostsThenRanksSendAndReceiveInTheirOrderAndReachAllOthers) {
  EXPECT_TRUE(rc::check("orders follow phases", [] {
    const auto tree =
        shuffled_tree(*rc::gen::container<std::vector<int>>(*rc::gen::inRange(2, 8), rc::gen::inRange(1, 9)));
    const Hosts hosts(tree);
    for (int rank = 0; rank < hosts.num_ranks(); ++rank) {
      const auto sends = direct::remote_send_order(hosts, rank);
      const auto receives = direct::remote_receive_order(hosts, rank);
      const auto in_order = [](const std::vector<int>& peers, auto phase_of) {
        return std::adjacent_find(peers.begin(), peers.end(),
                                  [&](int a, int b) { return phase_of(a) >= phase_of(b); }) == peers.end();
      };
      RC_ASSERT(in_order(sends, [&](int peer) { return direct::phase(hosts, rank, peer); }));
      RC_ASSERT(in_order(receives, [&](int peer) { return direct::phase(hosts, peer, rank); }));
      const auto others = static_cast<size_t>(hosts.num_ranks() - hosts.size(hosts.host_of(rank)));
      RC_ASSERT(std::set<int>(sends.begin(), sends.end()).size() == others);
      RC_ASSERT(std::set<int>(receives.begin(), receives.end()).size() == others);
    }
  }));
}

TEST(Phases, TwoEqualRacksThenTheDistanceOrItsRestOfEachCross) {
  // What an uplink carries in a phase: docs/algorithms.md.
  constexpr int kHosts = 8;
  constexpr int kRanks = 3;
  const auto graph = topology::from_synthetic("8:3 nic=10gbit racks=[4,4] uplink=10gbit").value("synthetic");
  const auto tree = topology::LocalityTree::derive(graph);
  const Hosts hosts(tree);
  std::map<int, int> crossing;  // messages out of rack 0, by phase
  for (int from = 0; from < hosts.num_ranks(); ++from) {
    for (const int to : direct::remote_send_order(hosts, from)) {
      crossing[direct::phase(hosts, from, to)] += hosts.rack_of(from) == 0 && hosts.rack_of(to) == 1 ? 1 : 0;
    }
  }
  ASSERT_EQ(crossing.size(), static_cast<size_t>((kHosts - 1) * kRanks));
  for (const auto& [phase, messages] : crossing) {
    const int distance = phase / kRanks + 1;
    EXPECT_EQ(messages, kRanks * std::min(distance, kHosts - distance)) << phase;
  }
}

}  // namespace
}  // namespace banyan::planner
