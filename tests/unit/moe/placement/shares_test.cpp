// SPDX-License-Identifier: Apache-2.0
#include "moe/placement/shares.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "topology/discover.hpp"

namespace banyan::moe {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::Pointwise;

planner::Hosts hosts_of(const std::vector<std::vector<int>>& ranks) {
  return planner::Hosts(topology::LocalityTree::from_hosts(ranks, 1e9));
}

/// max over sets of experts of load / ranks that hold any of it, rounded up: what no shares can be below.
int64_t least_by_sets(const Demand& demand, const Replicas& replicas, int num_ranks) {
  int64_t most = (demand.total() + num_ranks - 1) / num_ranks;
  for (size_t set = 1; set < (size_t{1} << replicas.size()); ++set) {
    std::set<int> ranks;
    int64_t load = 0;
    for (size_t expert = 0; expert < replicas.size(); ++expert) {
      if ((set >> expert & 1) != 0) {
        ranks.insert(replicas[expert].begin(), replicas[expert].end());
        load += demand.load(static_cast<int>(expert));
      }
    }
    const auto holders = static_cast<int64_t>(ranks.size());
    most = std::max(most, (load + holders - 1) / holders);
  }
  return most;
}

planner::Hosts machine(const std::string& description) {
  return planner::Hosts(topology::LocalityTree::derive(topology::from_synthetic(description).value(description)));
}

struct Case {
  planner::Hosts hosts;
  int num_experts = 0;
  std::vector<double> rows;
  Replicas replicas;
};

Case any_case() {
  Case c{.hosts = machine(*rc::gen::element<std::string>("1:3", "3:[2,1,2]", "4:2 nic=10gbit",
                                                         "4:2 nic=10gbit racks=[2,2] uplink=10gbit",
                                                         "5:1 nic=10gbit racks=[2,3] uplink=10gbit")),
         .rows = {},
         .replicas = {}};
  const int ranks = c.hosts.num_ranks();
  c.num_experts = *rc::gen::inRange(1, 8);
  c.rows = *rc::gen::container<std::vector<double>>(
      static_cast<size_t>(c.hosts.count() * c.num_experts),
      rc::gen::map(rc::gen::inRange(0, 1000), [](int x) { return x < 300 ? 0.0 : x / 7.0; }));
  for (int expert = 0; expert < c.num_experts; ++expert) {
    std::set<int> own = {*rc::gen::inRange(0, ranks)};
    const int more = *rc::gen::inRange(0, 4);
    for (int i = 0; i < more; ++i) {
      own.insert(*rc::gen::inRange(0, ranks));
    }
    c.replicas.emplace_back(own.begin(), own.end());
  }
  return c;
}

TEST(Shares, RandomThenTheLargestLoadIsWhatTheWorstSetOfExpertsForces) {
  EXPECT_TRUE(rc::check([] {
    const Case c = any_case();
    const Demand demand(c.rows, c.hosts.count(), c.num_experts);
    const int ranks = c.hosts.num_ranks();
    RC_ASSERT(least_max_load(demand, c.replicas, ranks) == least_by_sets(demand, c.replicas, ranks));
  }));
}

TEST(Shares, RandomThenAllRowsFlowAndNoRankIsAboveTheLevel) {
  EXPECT_TRUE(rc::check([] {
    const Case c = any_case();
    const Demand demand(c.rows, c.hosts.count(), c.num_experts);
    const Shares shares = share_out(demand, c.replicas, c.hosts, *rc::gen::element(0.0, 0.1, 1e9), 0);
    std::vector<double> loads(static_cast<size_t>(c.hosts.num_ranks()), 0);
    for (size_t expert = 0; expert < c.replicas.size(); ++expert) {
      const auto& ranks = c.replicas[expert];
      const auto parts = normalised(shares.flows[expert], ranks, c.hosts);
      for (int host = 0; host < c.hosts.count(); ++host) {
        double sum = 0;
        double part = 0;
        for (size_t i = 0; i < ranks.size(); ++i) {
          const double flow = shares.flows[expert][static_cast<size_t>(host) * ranks.size() + i];
          RC_ASSERT(flow >= 0);
          sum += flow;
          part += parts[static_cast<size_t>(host) * ranks.size() + i];
          loads[static_cast<size_t>(ranks[i])] += flow;
        }
        const auto rows = static_cast<double>(demand.units(host, static_cast<int>(expert)));
        RC_ASSERT(std::abs(sum - rows) <= 1e-9 * rows + 1e-3);
        RC_ASSERT(std::abs(part - 1) < 1e-12);
      }
    }
    RC_ASSERT(*std::max_element(loads.begin(), loads.end()) <= static_cast<double>(shares.max_load) * (1 + 1e-12) + 1);
  }));
}

/// What could be changed in shares: rows of a host from one replica of their expert to another, over ranks with room.
/// Shares are of least cost if and only if no round trip of such changes makes rows travel less.
struct Changes {
  struct Change {
    size_t from;
    size_t to;
    int cost;
  };

  Changes(const Case& c, const Shares& shares) : size(static_cast<size_t>(c.hosts.num_ranks()) + 1) {
    constexpr double kSome = 64;  // units: more than rounding
    std::vector<double> loads(size, 0);
    for (size_t expert = 0; expert < c.replicas.size(); ++expert) {
      const auto& ranks = c.replicas[expert];
      for (int host = 0; host < c.hosts.count(); ++host, ++size) {
        for (size_t i = 0; i < ranks.size(); ++i) {
          const auto rank = static_cast<size_t>(ranks[i]);
          const double flow = shares.flows[expert][static_cast<size_t>(host) * ranks.size() + i];
          const int cost = c.hosts.host_of(ranks[i]) == host                         ? 0
                           : c.hosts.rack_of(ranks[i]) == c.hosts.rack_of_host(host) ? 1
                                                                                     : 2;
          loads[rank] += flow;
          list.push_back({size, rank, cost});
          if (flow > kSome) {
            list.push_back({rank, size, -cost});
          }
        }
      }
    }
    const auto room = static_cast<size_t>(c.hosts.num_ranks());
    for (size_t rank = 0; rank < room; ++rank) {
      if (loads[rank] < static_cast<double>(shares.max_load) - kSome) {
        list.push_back({rank, room, 0});
      }
      if (loads[rank] > kSome) {
        list.push_back({room, rank, 0});
      }
    }
  }

  [[nodiscard]] bool any_helps() const {
    std::vector<int> distance(size, 0);
    bool changed = true;
    for (size_t round = 0; round <= size && changed; ++round) {
      changed = false;
      for (const Change& change : list) {
        if (distance[change.from] + change.cost < distance[change.to]) {
          distance[change.to] = distance[change.from] + change.cost;
          changed = true;
        }
      }
    }
    return changed;
  }

  size_t size;
  std::vector<Change> list;
};

TEST(Shares, RandomThenNoOtherSharesUnderTheLevelMakeRowsTravelLess) {
  EXPECT_TRUE(rc::check([] {
    const Case c = any_case();
    const Demand demand(c.rows, c.hosts.count(), c.num_experts);
    const Shares shares = share_out(demand, c.replicas, c.hosts, *rc::gen::element(0.0, 0.1, 1e9), 0);
    RC_ASSERT(!Changes(c, shares).any_helps());
  }));
}

/// Two hosts of two ranks; one expert with a replica on each host, and one that keeps rank 0 busy.
TEST(Shares, ByHandThenRowsStayInTheirHostAsFarAsLoadsAllow) {
  const planner::Hosts hosts = hosts_of({{0, 1}, {2, 3}});
  // Expert 0: 60 rows of host 0 and 20 of host 1, on ranks 0 and 2; expert 1: 20 of host 0, on rank 0.
  const Demand demand({60, 20, 20, 0}, 2, 2);
  const Replicas replicas = {{0, 2}, {0}};
  EXPECT_NEAR(demand.rows_of(least_max_load(demand, replicas, 4)), 50, 1e-9);
  const Shares tight = share_out(demand, replicas, hosts, 0, 0);
  EXPECT_THAT(normalised(tight.flows[0], replicas[0], hosts), Pointwise(DoubleNear(1e-9), {0.5, 0.5, 0.0, 1.0}));
  const Shares loose = share_out(demand, replicas, hosts, 0.2, 0);  // 60 on a rank
  EXPECT_THAT(normalised(loose.flows[0], replicas[0], hosts), Pointwise(DoubleNear(1e-9), {4. / 6, 2. / 6, 0.0, 1.0}));
  const Shares bounded = share_out(demand, replicas, hosts, 0.2, least_max_load(demand, replicas, 4));
  EXPECT_EQ(bounded.max_load, tight.max_load);
}

TEST(Shares, RacksThenRowsThatLeaveTheirHostStayInTheRackAsFarAsLoadsAllow) {
  const planner::Hosts hosts = machine("4:1 nic=10gbit racks=[2,2] uplink=10gbit");
  ASSERT_EQ(hosts.num_racks(), 2);
  const Demand demand({8, 0, 0, 0}, 4, 1);
  const Shares tight = share_out(demand, {{1, 3}}, hosts, 0, 0);
  EXPECT_THAT(normalised(tight.flows[0], {1, 3}, hosts), ElementsAre(0.5, 0.5, 1, 0, 0, 1, 0, 1));
  const Shares loose = share_out(demand, {{1, 3}}, hosts, 0.5, 0);
  EXPECT_THAT(normalised(loose.flows[0], {1, 3}, hosts),
              Pointwise(DoubleNear(1e-9), {.75, .25, 1., 0., 0., 1., 0., 1.}));
}

TEST(Shares, NoRowsThenReplicasAlike) {
  const planner::Hosts hosts = hosts_of({{0, 1}, {2}});
  const Demand demand({0, 0}, 2, 1);
  EXPECT_EQ(least_max_load(demand, {{0, 2}}, 3), 0);
  const Shares shares = share_out(demand, {{0, 2}}, hosts, 0, 0);
  EXPECT_THAT(normalised(shares.flows[0], {0, 2}, hosts), ElementsAre(0.5, 0.5, 0.5, 0.5));
}

}  // namespace
}  // namespace banyan::moe
