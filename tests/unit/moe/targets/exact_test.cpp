// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "problems.hpp"

namespace banyan::moe {
namespace {

using topology::Tier;

size_t at(int index) { return static_cast<size_t>(index); }

/// The independent solver: maximum flow by any augmenting path, in a network with a node on both sides of every limit
/// of every rank and subtree, and an arc for every two different parts of a subtree, between which a path may turn. The
/// least time is bisected. Slow and plain on purpose.
class PlainNetwork {
 public:
  PlainNetwork(const Scene& scene, const TokenDemand& demand, double row_bytes)
      : scene_(scene), demand_(demand), row_bytes_(row_bytes) {}

  double least_time() {
    double low = 0;
    double high = 1e-9;
    while (!carries_all(high)) {
      low = high;
      high *= 2;
    }
    for (int step = 0; step < 60; ++step) {
      const double middle = (low + high) / 2;
      (carries_all(middle) ? high : low) = middle;
    }
    return high;
  }

 private:
  static constexpr double kLots = 1e18;
  static constexpr double kNothing = 1e-9;  // of a token

  int node() { return num_nodes_++; }
  double& room(int from, int to) { return room_[at(from) * kMaxNodes + at(to)]; }
  void arc(bool out, int lower, int upper, double tokens) { room(out ? lower : upper, out ? upper : lower) += tokens; }
  /// Tokens that a rate, 0 for none, lets through.
  double tokens(double bytes_per_s) const { return bytes_per_s > 0 ? bytes_per_s * seconds_ / row_bytes_ : kLots; }

  struct Side {
    std::vector<int> rank, local, remote;  // by rank
    std::vector<int> domain, host, rack;   // by index of the tree's nodes: outside the subtree's own link
  };

  Side make_side(bool out) {
    const auto& tree = scene_.tree;
    const auto& model = scene_.model;
    Side side;
    side.domain.assign(tree.nodes().size(), -1);
    side.host = side.rack = side.domain;
    std::vector<int> in_host = side.domain;
    std::vector<int> in_rack = side.domain;
    const auto rate = [&](int index) {
      const auto& capacity = model.subtrees[at(index)];
      return out ? capacity.egress_bytes_per_s : capacity.ingress_bytes_per_s;
    };
    for (const int rack : tree.at_tier(Tier::kRack)) {
      in_rack[at(rack)] = node();
      side.rack[at(rack)] = node();
      arc(out, in_rack[at(rack)], side.rack[at(rack)], tokens(rate(rack)));
    }
    for (const int host : tree.at_tier(Tier::kNode)) {
      in_host[at(host)] = node();
      side.host[at(host)] = node();
      arc(out, in_host[at(host)], side.host[at(host)], tokens(rate(host)));
      arc(out, side.host[at(host)], in_rack[at(tree.node(host).parent)], kLots);
    }
    for (const int domain : tree.at_tier(Tier::kDomain)) {
      side.domain[at(domain)] = node();
    }
    const Tier remote = tree.at_tier(Tier::kRack).size() > 1 ? Tier::kCluster : Tier::kRack;
    for (int r = 0; r < tree.num_ranks(); ++r) {
      const int host = tree.ancestor(r, Tier::kNode);
      const auto ranks = static_cast<double>(tree.node(host).ranks.size());
      side.rank.push_back(node());
      side.local.push_back(node());
      arc(out, side.rank[at(r)], side.local[at(r)],
          tokens(std::min(model.copy_bytes_per_s / 2, model.host_copy_bytes_per_s / 2 / ranks)));
      arc(out, side.local[at(r)], side.domain[at(tree.ancestor(r, Tier::kDomain))],
          tokens(model.tiers[static_cast<size_t>(Tier::kNode)].flow_bytes_per_s));
      arc(out, side.rank[at(r)], in_host[at(host)], tokens(model.tiers[static_cast<size_t>(remote)].flow_bytes_per_s));
    }
    return side;
  }

  bool carries_all(double seconds) {
    seconds_ = seconds;
    num_nodes_ = 0;
    room_.assign(kMaxNodes * kMaxNodes, 0);
    const int source = node();
    const int sink = node();
    const Side out = make_side(true);
    const Side in = make_side(false);
    const auto& tree = scene_.tree;
    double wanted = 0;
    for (int i = 0; i < tree.num_ranks(); ++i) {
      arc(true, source, out.rank[at(i)], demand_.sent(at(i)));
      arc(true, in.rank[at(i)], sink, demand_.received(at(i)));
      wanted += demand_.sent(at(i));
      for (int j = 0; j < tree.num_ranks(); ++j) {
        if (tree.mapped(i, j)) {
          arc(true, out.local[at(i)], in.local[at(j)], kLots);
        }
      }
    }
    turn(Tier::kDomain, out.domain, in.domain);
    turn(Tier::kNode, out.host, in.host);
    turn(Tier::kRack, out.rack, in.rack);
    EXPECT_LE(num_nodes_, static_cast<int>(kMaxNodes));
    double flow = 0;
    double pushed = 0;
    do {
      pushed = augment(source, sink);
      flow += pushed;
    } while (pushed > kNothing);
    return flow >= wanted - 1e-6;
  }

  /// Paths turn between different parts of one subtree.
  void turn(Tier tier, const std::vector<int>& out, const std::vector<int>& in) {
    for (const int a : scene_.tree.at_tier(tier)) {
      for (const int b : scene_.tree.at_tier(tier)) {
        if (a != b && scene_.tree.node(a).parent == scene_.tree.node(b).parent) {
          arc(true, out[at(a)], in[at(b)], kLots);
        }
      }
    }
  }

  /// Along the shortest path with room.
  double augment(int source, int sink) {
    std::vector<int> before(at(num_nodes_), -1);
    std::vector<int> queue = {source};
    before[at(source)] = source;
    for (size_t head = 0; head < queue.size(); ++head) {
      for (int to = 0; to < num_nodes_; ++to) {
        if (before[at(to)] < 0 && room(queue[head], to) > kNothing) {
          before[at(to)] = queue[head];
          queue.push_back(to);
        }
      }
    }
    if (before[at(sink)] < 0) {
      return 0;
    }
    double least = kLots;
    for (int to = sink; to != source; to = before[at(to)]) {
      least = std::min(least, room(before[at(to)], to));
    }
    for (int to = sink; to != source; to = before[at(to)]) {
      room(before[at(to)], to) -= least;
      room(to, before[at(to)]) += least;
    }
    return least;
  }

  static constexpr size_t kMaxNodes = 160;
  const Scene& scene_;
  const TokenDemand& demand_;
  double row_bytes_;
  double seconds_ = 0;
  int num_nodes_ = 0;
  std::vector<double> room_;
};

TEST(Exact, TwoHundredRandomTreesThenTheMaximumFlowsOptimum) {
  int trees = 0;
  EXPECT_TRUE(rc::check([&] {
    for (int tree = 0; tree < 2; ++tree) {  // 100 times
      const RandomScene random = random_scene();
      const Targets targets = compute_targets(random.problem(TargetMethod::kExact));
      const double least = PlainNetwork(random.scene, targets.demand, 1024).least_time();
      RC_ASSERT(std::abs(targets.least_s / least - 1) < 1e-6);
      const double time = plain_time(plain_limits(random.scene), rank_matrix(targets), 1024);
      RC_ASSERT(std::abs(targets.time_s / time - 1) < 1e-9);
      RC_ASSERT(time <= least * (1 + 3e-6));
      expect_dispatch(targets);
      ++trees;
    }
  }));
  EXPECT_GE(trees, 200);
}

TEST(Exact, RandomTreesThenNoSlowerThanAnyOtherMethod) {
  EXPECT_TRUE(rc::check([] {
    const RandomScene random = random_scene();
    const Targets exact = compute_targets(random.problem(TargetMethod::kExact));
    const Targets closed = compute_targets(random.problem(TargetMethod::kClosed));
    RC_ASSERT(exact.time_s <= closed.time_s * (1 + 2e-6));
    RC_ASSERT(exact.time_s <= exact.even_s);
    RC_ASSERT(std::abs(closed.even_s - exact.even_s) <= 1e-12 * exact.even_s);
    RC_ASSERT(std::abs(closed.least_s - exact.least_s) <= 1e-12 * exact.least_s);
    expect_dispatch(closed);
  }));
}

/// Two hosts of 2 by hand: NIC 1 GB/s, 2 GB/s of local data a rank. A rank that keeps x of its 1024 tokens at home
/// needs x KiB / 2 GB/s there and its host 2 (1024 - x) KiB / 1 GB/s: equal at x = 4/5.
TEST(Exact, TwoHostsByHand) {
  Scene scene("2:2 nic=8gbit");
  scene.model.copy_bytes_per_s = 4e9;
  scene.model.host_copy_bytes_per_s = 0;
  const Targets targets = compute_targets(scene.problem(TargetMethod::kExact));
  const double home = 1024 * 0.8;
  EXPECT_NEAR(targets.row(0)[0], home / 2, 1e-2);
  EXPECT_NEAR(targets.row(0)[1], home / 2, 1e-2);
  EXPECT_NEAR(targets.row(0)[2], (1024 - home) / 2, 1e-2);
  EXPECT_NEAR(targets.least_s, home * 1024 / 2e9, 1e-12);
  EXPECT_NEAR(targets.even_s, 1024.0 * 1024 / 1e9, 1e-12);
  EXPECT_EQ(targets.even_busiest, "node0 egress");
}

TEST(Exact, NothingLimitedThenEvenDispatch) {
  Scene scene("2:[2,1]");
  scene.model = {};
  scene.model.subtrees.resize(scene.tree.nodes().size());
  const Targets targets = compute_targets(scene.problem(TargetMethod::kExact));
  EXPECT_EQ(targets.time_s, 0);
  EXPECT_EQ(targets.divergence, 0);
  EXPECT_TRUE(targets.busiest.empty());
}

}  // namespace
}  // namespace banyan::moe
