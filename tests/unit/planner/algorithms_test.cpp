// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>
#include <numeric>
#include <set>

#include "planner/select.hpp"
#include "schedule/verify.hpp"
#include "topology/locality_tree.hpp"
#include "trees.hpp"

namespace banyan::planner {
namespace {

constexpr Algorithm kAll[] = {Algorithm::kDirect,     Algorithm::kHierarchicalRail, Algorithm::kHierarchicalNode,
                              {Algorithm::kBruck, 2}, {Algorithm::kBruck, 3},       {Algorithm::kBruck, 64}};

schedule::Schedule build_all(const topology::LocalityTree& tree, Algorithm algorithm, bool mapped,
                             bool self_describing) {
  const Hosts hosts(tree);
  std::vector<schedule::RankSchedule> parts;
  for (int rank = 0; rank < tree.num_ranks(); ++rank) {
    parts.push_back(build_part(hosts, rank, algorithm, mapped, self_describing));
  }
  return schedule::join(parts, algorithm_name(algorithm), /*window=*/0);
}

struct Counts {
  uint64_t between_hosts = 0;
  uint64_t blocks_between_hosts = 0;
  uint64_t inside = 0;
};

Counts count(const schedule::Schedule& schedule, const Hosts& hosts) {
  Counts counts;
  for (const auto& message : schedule.messages) {
    if (hosts.host_of(message.from) == hosts.host_of(message.to)) {
      ++counts.inside;
    } else {
      ++counts.between_hosts;
      counts.blocks_between_hosts += message.blocks.size();
    }
  }
  return counts;
}

TEST(Algorithms, EvenHostsThenMessageCountsFollowTheFormulas) {
  for (const auto& [n, m] : {std::pair{4, 4}, {2, 8}, {3, 5}, {1, 6}, {5, 1}}) {
    const auto tree = tree_of(std::vector<int>(static_cast<size_t>(n), m));
    const Hosts hosts(tree);
    const auto un = static_cast<uint64_t>(n);
    const auto um = static_cast<uint64_t>(m);
    const Counts direct = count(build_all(tree, Algorithm::kDirect, true, false), hosts);
    EXPECT_EQ(direct.between_hosts, um * um * un * (un - 1));
    EXPECT_EQ(direct.inside, un * um * (um - 1));
    const Counts rail = count(build_all(tree, Algorithm::kHierarchicalRail, true, false), hosts);
    EXPECT_EQ(rail.between_hosts, un * (un - 1) * um);
    EXPECT_EQ(rail.inside, un * um * (um - 1));
    EXPECT_EQ(rail.blocks_between_hosts, um * um * un * (un - 1));
    const Counts node = count(build_all(tree, Algorithm::kHierarchicalNode, true, false), hosts);
    EXPECT_EQ(node.between_hosts, un * (un - 1));
    EXPECT_EQ(node.blocks_between_hosts, um * um * un * (un - 1));
  }
}

TEST(Algorithms, BruckThenMessagesRoundsAndBytesFollowTheFormulas) {
  EXPECT_TRUE(rc::check([] {
    const int n = *rc::gen::inRange(2, 20);
    const int m = *rc::gen::inRange(1, 4);
    const int radix = *rc::gen::inRange(2, 8);
    const auto tree = tree_of(std::vector<int>(static_cast<size_t>(n), m));
    const Hosts hosts(tree);
    uint64_t rounds = 0;
    uint64_t messages = 0;  // of a host
    for (int64_t power = 1; power < n; power *= radix) {
      ++rounds;
      messages += static_cast<uint64_t>(std::min<int64_t>(radix - 1, (n - 1) / power));
    }
    uint64_t hops = 0;
    for (int distance = 1; distance < n; ++distance) {
      for (int rest = distance; rest > 0; rest /= radix) {
        hops += rest % radix != 0 ? 1 : 0;
      }
    }
    const auto schedule = build_all(tree, {Algorithm::kBruck, radix}, true, false);
    const Counts counts = count(schedule, hosts);
    const auto un = static_cast<uint64_t>(n);
    const auto um = static_cast<uint64_t>(m);
    RC_ASSERT(counts.between_hosts == un * messages);
    RC_ASSERT(messages <= rounds * static_cast<uint64_t>(radix - 1));
    RC_ASSERT(counts.blocks_between_hosts == um * um * un * hops);
    RC_ASSERT(m > 1 || counts.inside == 0);
    // Of an all-to-all-v the same messages, all with the sizes of their blocks: no round exchanges counts first.
    auto described = build_all(tree, {Algorithm::kBruck, radix}, true, true);
    for (auto& message : described.messages) {
      RC_ASSERT(message.self_describing);
      message.self_describing = false;
    }
    RC_ASSERT(described.messages == schedule.messages);
    std::set<int> steps;
    for (const auto& message : schedule.messages) {
      if (hosts.host_of(message.from) != hosts.host_of(message.to)) {
        steps.insert(message.step);
      }
    }
    RC_ASSERT(steps.size() == rounds);
  }));
}

TEST(Algorithms, BruckWithARadixOfAllHostsThenTheMessagesOfNode) {
  const auto tree = tree_of({3, 1, 2, 4});
  const Hosts hosts(tree);
  const Counts bruck = count(build_all(tree, {Algorithm::kBruck, 4}, true, false), hosts);
  const Counts node = count(build_all(tree, Algorithm::kHierarchicalNode, true, false), hosts);
  EXPECT_EQ(bruck.between_hosts, node.between_hosts);
  EXPECT_EQ(bruck.blocks_between_hosts, node.blocks_between_hosts);
}

TEST(Algorithms, RailThenOneMessagePerRankAndRailPeer) {
  const auto tree = tree_of({7, 8, 3});
  const Hosts hosts(tree);
  const auto schedule = build_all(tree, Algorithm::kHierarchicalRail, true, false);
  std::map<std::pair<int, int>, int> between;
  std::map<std::pair<int, int>, int> into;  // (source host, destination rank)
  for (const auto& message : schedule.messages) {
    if (hosts.host_of(message.from) != hosts.host_of(message.to)) {
      EXPECT_EQ((++between[{message.from, message.to}]), 1);
      EXPECT_EQ((++into[{hosts.host_of(message.from), message.to}]), 1);
      EXPECT_EQ(message.blocks.size(), static_cast<size_t>(hosts.size(hosts.host_of(message.from))));
    }
  }
  EXPECT_EQ(into.size(), 7U * 2 + 8U * 2 + 3U * 2);
}

TEST(Algorithms, EqualHostsThenRailPeersShareTheLocalIndex) {
  const auto tree = tree_of({4, 4, 4});
  const Hosts hosts(tree);
  for (const auto& message : build_all(tree, Algorithm::kHierarchicalRail, true, false).messages) {
    if (hosts.host_of(message.from) != hosts.host_of(message.to)) {
      EXPECT_EQ(hosts.local_index(message.from), hosts.local_index(message.to));
    }
  }
}

TEST(Algorithms, AnyHostsAndRankOrderThenVerified) {
  const bool ok = rc::check("every algorithm is an all-to-all on every tree", [] {
    const int num_hosts = *rc::gen::inRange(1, 7);
    std::vector<std::vector<int>> hosts(static_cast<size_t>(num_hosts));
    int num_ranks = 0;
    for (auto& host : hosts) {
      host.resize(static_cast<size_t>(*rc::gen::inRange(1, 6)));
      num_ranks += static_cast<int>(host.size());
    }
    std::vector<int> order(static_cast<size_t>(num_ranks));
    std::iota(order.begin(), order.end(), 0);
    for (size_t i = order.size(); i > 1; --i) {
      std::swap(order[i - 1], order[static_cast<size_t>(*rc::gen::inRange(0, static_cast<int>(i)))]);
    }
    size_t next = 0;
    for (auto& host : hosts) {
      for (int& rank : host) {
        rank = order[next++];
      }
      std::sort(host.begin(), host.end());
    }
    const auto tree = topology::LocalityTree::from_hosts(hosts, 1e9);
    for (const Algorithm algorithm : kAll) {
      for (const bool mapped : {true, false}) {
        const auto verdict = schedule::verify(build_all(tree, algorithm, mapped, false), {});
        RC_ASSERT(verdict.problem == "");
      }
    }
  });
  EXPECT_TRUE(ok);
}

}  // namespace
}  // namespace banyan::planner
