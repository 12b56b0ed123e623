// SPDX-License-Identifier: Apache-2.0
#include "moe/placement/flow.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>

namespace banyan::moe {
namespace {

struct Edge {
  size_t from = 0;
  size_t to = 0;
  int64_t capacity = 0;
  int cost = 0;
  size_t index = 0;
};

/// A random network of few nodes, so that all its cuts can be tried; source 0, sink the last.
struct Network {
  explicit Network(size_t nodes) : size(nodes), flows(nodes) {
    const auto number = *rc::gen::inRange<size_t>(0, 4 * nodes);
    for (size_t i = 0; i < number; ++i) {
      Edge edge{.from = *rc::gen::inRange<size_t>(0, nodes),
                .to = *rc::gen::inRange<size_t>(0, nodes),
                .capacity = *rc::gen::inRange<int64_t>(0, 20),
                .cost = *rc::gen::inRange(0, 3)};
      if (edge.from != edge.to) {
        edge.index = flows.add_edge(edge.from, edge.to, edge.capacity, edge.cost);
        edges.push_back(edge);
      }
    }
  }

  [[nodiscard]] int64_t least_cut() const {
    int64_t least = FlowNetwork::kUnlimited;
    for (size_t set = 0; set < (size_t{1} << size); ++set) {
      const auto inside = [&](size_t node) { return (set >> node & 1) != 0; };
      if (inside(0) && !inside(size - 1)) {
        int64_t sum = 0;
        for (const Edge& edge : edges) {
          sum += inside(edge.from) && !inside(edge.to) ? edge.capacity : 0;
        }
        least = std::min(least, sum);
      }
    }
    return least;
  }

  /// Within capacities, and as much into each node as out of it; returns what leaves the source.
  [[nodiscard]] int64_t value() const {
    std::vector<int64_t> balance(size, 0);
    for (const Edge& edge : edges) {
      const int64_t flow = flows.flow(edge.index);
      RC_ASSERT(flow >= 0);
      RC_ASSERT(flow <= edge.capacity);
      balance[edge.from] += flow;
      balance[edge.to] -= flow;
    }
    for (size_t node = 1; node + 1 < size; ++node) {
      RC_ASSERT(balance[node] == 0);
    }
    return balance[0];
  }

  /// A flow has least cost if and only if no cycle of what is left has a negative sum (Bellman and Ford find one).
  [[nodiscard]] bool has_negative_cycle() const {
    std::vector<int64_t> distance(size, 0);
    bool changed = true;
    for (size_t round = 0; round <= size && changed; ++round) {
      changed = false;
      const auto relax = [&](size_t from, size_t to, int64_t cost) {
        if (distance[from] + cost < distance[to]) {
          distance[to] = distance[from] + cost;
          changed = true;
        }
      };
      for (const Edge& edge : edges) {
        if (flows.flow(edge.index) < edge.capacity) {
          relax(edge.from, edge.to, edge.cost);
        }
        if (flows.flow(edge.index) > 0) {
          relax(edge.to, edge.from, -edge.cost);
        }
      }
    }
    return changed;
  }

  size_t size;
  FlowNetwork flows;
  std::vector<Edge> edges;
};

TEST(FlowNetwork, RandomThenTheFlowIsTheLeastCut) {
  EXPECT_TRUE(rc::check([] {
    Network network(*rc::gen::inRange<size_t>(2, 9));
    const int64_t flow = network.flows.maximise(0, network.size - 1);
    RC_ASSERT(flow == network.least_cut());
    RC_ASSERT(flow == network.value());
    const auto reached = network.flows.reachable(0);
    int64_t cut = 0;
    for (const Edge& edge : network.edges) {
      cut += reached[edge.from] && !reached[edge.to] ? edge.capacity : 0;
    }
    RC_ASSERT(cut == flow);
    network.flows.reset();
    RC_ASSERT(network.value() == 0);
  }));
}

TEST(FlowNetwork, RandomThenTheCheapFlowIsAsLargeAndOfLeastCost) {
  EXPECT_TRUE(rc::check([] {
    Network network(*rc::gen::inRange<size_t>(2, 9));
    const int64_t flow = network.flows.maximise_cheaply(0, network.size - 1);
    RC_ASSERT(flow == network.least_cut());
    RC_ASSERT(flow == network.value());
    RC_ASSERT(!network.has_negative_cycle());
  }));
}

TEST(FlowNetwork, CapacitySetThenFlowIsOfIt) {
  FlowNetwork network(3);
  network.add_edge(0, 1, 10);
  const size_t second = network.add_edge(1, 2, 3);
  EXPECT_EQ(network.maximise(0, 2), 3);
  network.set_capacity(second, 7);
  network.reset();
  EXPECT_EQ(network.maximise(0, 2), 7);
  EXPECT_EQ(network.flow(second), 7);
}

}  // namespace
}  // namespace banyan::moe
