// SPDX-License-Identifier: Apache-2.0
#include "simulator/network.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <limits>
#include <map>

namespace banyan::simulator {
namespace {

Route route_over(const std::vector<int>& links) {
  Route route;
  for (const int link : links) {
    route.add(link);
  }
  return route;
}

TEST(Network, FlowsOfOneLinkThenTheyShareIt) {
  Network network({100});
  const int a = network.start(route_over({0}), 50, 0, 0, 7);
  const int b = network.start(route_over({0}), 100, 0, 0, 8);
  network.settle(0);
  EXPECT_EQ(network.rate_bytes_per_s(a), 50);
  EXPECT_EQ(network.rate_bytes_per_s(b), 50);
  EXPECT_EQ(network.next_s(), 1);
  EXPECT_EQ(network.advance(1), 7);
  network.settle(1);
  EXPECT_EQ(network.next_s(), 1.5);  // 50 bytes left at 100 bytes/s
  EXPECT_EQ(network.advance(1.5), 8);
  EXPECT_TRUE(network.idle());
  EXPECT_EQ(network.busy_s(0), 1.5);
  EXPECT_EQ(network.bytes(0), 150);
}

TEST(Network, ALongFlowThenShortOnesTakeWhatItLeaves) {
  // The example of Bertsekas and Gallager: the flow over both links is held at 1/3 by the narrow one's three flows.
  Network network({1, 1});
  const int crossing = network.start(route_over({0, 1}), 1, 0, 0, 0);
  const int narrow = network.start(route_over({0}), 1, 0, 0, 1);
  const int other = network.start(route_over({0}), 1, 0, 0, 2);
  const int wide = network.start(route_over({1}), 1, 0, 0, 3);
  network.settle(0);
  EXPECT_DOUBLE_EQ(network.rate_bytes_per_s(crossing), 1.0 / 3);
  EXPECT_DOUBLE_EQ(network.rate_bytes_per_s(narrow), 1.0 / 3);
  EXPECT_DOUBLE_EQ(network.rate_bytes_per_s(other), 1.0 / 3);
  EXPECT_DOUBLE_EQ(network.rate_bytes_per_s(wide), 2.0 / 3);
}

TEST(Network, AFlowAtItsLimitThenOthersTakeTheRest) {
  Network network({10});
  const int slow = network.start(route_over({0}), 1, 2, 0, 0);
  const int fast = network.start(route_over({0}), 1, 9, 0, 1);
  network.settle(0);
  EXPECT_EQ(network.rate_bytes_per_s(slow), 2);
  EXPECT_EQ(network.rate_bytes_per_s(fast), 8);
}

TEST(Network, NoLinkThenItsOwnLimit) {
  Network network({});
  network.start(route_over({}), 10, 5, 1, 0);
  network.settle(1);
  EXPECT_EQ(network.next_s(), 3);
  network.start(route_over({}), 10, 0, 1, 0);
  network.settle(1);
  EXPECT_EQ(network.next_s(), 1);  // nothing holds it back
}

/// Flows on links, drawn at random, and what is left of them by the slowest way to think of it.
struct Scene {
  struct Flow {
    std::vector<int> links;
    double limit = 0;
    int number = 0;
  };
  std::vector<double> capacities;
  std::map<int, Flow> flows;  ///< by label

  /// Whether a rate is max-min fair: feasible, and each flow is at its limit or has a full link on which none is
  /// faster.
  void expect_fair(const Network& network) const {
    std::vector<double> used(capacities.size());
    std::vector<double> fastest(capacities.size());
    for (const auto& [label, flow] : flows) {
      const double rate = network.rate_bytes_per_s(flow.number);
      RC_ASSERT(rate > 0);
      RC_ASSERT(flow.limit == 0 || rate <= flow.limit);
      for (const int link : flow.links) {
        used[static_cast<size_t>(link)] += rate;
        fastest[static_cast<size_t>(link)] = std::max(fastest[static_cast<size_t>(link)], rate);
      }
    }
    for (size_t link = 0; link < used.size(); ++link) {
      RC_ASSERT(used[link] <= capacities[link] * (1 + 1e-9));
    }
    for (const auto& [label, flow] : flows) {
      const double rate = network.rate_bytes_per_s(flow.number);
      const bool held = std::any_of(flow.links.begin(), flow.links.end(), [&](int link) {
        const auto at = static_cast<size_t>(link);
        return used[at] >= capacities[at] * (1 - 1e-9) && rate >= fastest[at] * (1 - 1e-9);
      });
      RC_ASSERT(held || (flow.limit > 0 && rate == flow.limit));
    }
  }
};

TEST(Network, FlowsThatComeAndGoThenRatesAreAlwaysFair) {
  EXPECT_TRUE(rc::check("max-min fair after every change", [] {
    Scene scene;
    const int num_links = *rc::gen::inRange(1, 8);
    for (int i = 0; i < num_links; ++i) {
      scene.capacities.push_back(*rc::gen::inRange(1, 100));
    }
    Network network(scene.capacities);
    double now_s = 0;
    for (int label = 0; label < 40; ++label) {
      if (scene.flows.empty() || *rc::gen::inRange(0, 3) > 0) {
        Scene::Flow flow;
        for (int link = 0; link < num_links && flow.links.size() < kMaxLinks; ++link) {
          if (*rc::gen::inRange(0, 3) == 0) {
            flow.links.push_back(link);
          }
        }
        flow.limit = flow.links.empty() ? 5 : *rc::gen::element(0, 3, 10, 50);
        flow.number = network.start(route_over(flow.links), *rc::gen::inRange(1, 1000), flow.limit, now_s, label);
        scene.flows[label] = flow;
      } else {
        now_s = network.next_s();
        RC_ASSERT(scene.flows.erase(network.advance(now_s)) == 1);
      }
      network.settle(now_s);
      scene.expect_fair(network);
    }
  }));
}

}  // namespace
}  // namespace banyan::simulator
