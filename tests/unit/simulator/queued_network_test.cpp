// SPDX-License-Identifier: Apache-2.0
#include "simulator/queued_network.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <map>
#include <vector>

namespace banyan::simulator {
namespace {

/// When each message ends; all begin at the time of their place in `begins_s`, which ascends.
std::map<int, double> ends(QueuedNetwork& network, const std::vector<Flow>& flows,
                           const std::vector<double>& begins_s) {
  std::map<int, double> result;
  size_t next = 0;
  while (next < flows.size() || !network.idle()) {
    if (next < flows.size() && begins_s[next] <= network.next_s()) {
      network.begin(flows[next], begins_s[next]);
      ++next;
      continue;
    }
    const double now_s = network.next_s();
    const int label = network.advance(now_s);
    if (label != Wires::kNothing) {
      result[label] = now_s;
    }
  }
  return result;
}

Flow flow(std::vector<int> links, double bytes, int label, uint64_t connection) {
  Flow result{.route = {}, .bytes = bytes, .connection = connection, .label = label};
  for (const int link : links) {
    result.route.add(link);
  }
  return result;
}

TEST(QueuedNetwork, AMessageAloneThenTakesItsBytesOverTheSlowestLink) {
  QueuedNetwork network({1e9, 5e8, 2e9}, {.packet_bytes = 1000});
  const auto end = ends(network, {flow({0, 1, 2}, 1e6, 7, 1)}, {0});
  // Packets cut through, so only the last one's time on the last, faster link is not beside the slowest's.
  EXPECT_NEAR(end.at(7), 1e6 / 5e8, 1e-12);
}

TEST(QueuedNetwork, AFlowsLimitThenHolds) {
  QueuedNetwork network({1e9}, {});
  Flow limited = flow({0}, 1e6, 0, 1);
  limited.limit_bytes_per_s = 1e8;
  EXPECT_NEAR(ends(network, {limited}, {0}).at(0), 1e-2, 1e-12);
}

TEST(QueuedNetwork, NoLimitedLinkThenTakesNoTime) {
  QueuedNetwork network({}, {});
  EXPECT_EQ(ends(network, {flow({}, 1e9, 0, 1)}, {3.0}).at(0), 3.0);
}

TEST(QueuedNetwork, SmallMessagesOfTwoRanksThenOneAfterTheOther) {
  QueuedNetwork network({1e9}, {});
  const auto end = ends(network, {flow({0}, 1e4, 0, 1), flow({0}, 1e4, 1, 2)}, {0, 0});
  EXPECT_NEAR(end.at(0), 1e-5, 1e-15);
  EXPECT_NEAR(end.at(1), 2e-5, 1e-15);
}

TEST(QueuedNetwork, LongMessagesOfTwoRanksThenShareTheLink) {
  QueuedNetwork network({1e9}, {.packet_bytes = 1000});
  const auto end = ends(network, {flow({0}, 1e6, 0, 1), flow({0}, 1e6, 1, 2)}, {0, 0});
  EXPECT_NEAR(end.at(0), 2e-3, 1e-5);
  EXPECT_NEAR(end.at(1), 2e-3, 1e-5);
}

TEST(QueuedNetwork, MessagesOfAConnectionThenInOrder) {
  QueuedNetwork network({1e9}, {.packet_bytes = 1000});
  const auto end = ends(network, {flow({0}, 1e6, 0, 1), flow({0}, 10, 1, 1)}, {0, 0});
  EXPECT_GT(end.at(1), end.at(0));
}

TEST(QueuedNetwork, ATokenBucketThenPassesWhatItHoldsAtOnceAndTheRestAtItsRate) {
  const Queues queues{.packet_bytes = 1000, .burst_bytes = 5000};
  QueuedNetwork network({1e6}, queues);
  const auto end = ends(network, {flow({0}, 5000, 0, 1), flow({0}, 2000, 1, 2)}, {1.0, 1.0});
  EXPECT_NEAR(end.at(1), 1.0, 1e-12);         // behind two packets of the other
  EXPECT_NEAR(end.at(0), 1.0 + 2e-3, 1e-12);  // 2000 bytes more than the bucket holds
  QueuedNetwork fresh({1e6}, queues);
  EXPECT_NEAR(ends(fresh, {flow({0}, 5000, 0, 1)}, {0}).at(0), 5e-3, 1e-12);  // buckets begin empty
}

TEST(QueuedNetwork, RandomMessagesThenAllEndAndNoLinkIsFasterThanItsCapacityAndBucket) {
  EXPECT_TRUE(rc::check([] {
    const int num_links = *rc::gen::inRange(1, 5);
    std::vector<double> capacities;
    for (int i = 0; i < num_links; ++i) {
      capacities.push_back(*rc::gen::inRange(1, 9) * 1e6);
    }
    const Queues queues{.packet_bytes = *rc::gen::element<uint64_t>(100, 1500, 61440),
                        .burst_bytes = *rc::gen::element(0.0, 0.0, 3000.0)};
    QueuedNetwork network(capacities, queues);
    std::vector<Flow> flows;
    std::vector<double> begins_s;
    for (int label = 0, count = *rc::gen::inRange(1, 30); label < count; ++label) {
      std::vector<int> links;
      for (int link = *rc::gen::inRange(0, num_links); link < num_links; link += *rc::gen::inRange(1, 4)) {
        links.push_back(link);
      }
      flows.push_back(flow(links, *rc::gen::inRange(1, 100000), label, *rc::gen::inRange<uint64_t>(0, 6)));
      begins_s.push_back(*rc::gen::inRange(0, 100) * 1e-3);
    }
    std::sort(begins_s.begin(), begins_s.end());
    const auto end = ends(network, flows, begins_s);
    RC_ASSERT(end.size() == flows.size());
    double last_s = 0;
    for (size_t i = 0; i < flows.size(); ++i) {
      RC_ASSERT(end.at(flows[i].label) >= begins_s[i]);
      last_s = std::max(last_s, end.at(flows[i].label));
    }
    for (int link = 0; link < num_links; ++link) {
      const double capacity = capacities[static_cast<size_t>(link)];
      RC_ASSERT(network.bytes(link) <= (last_s - begins_s.front()) * capacity * (1 + 1e-9) + queues.burst_bytes);
    }
  }));
}

}  // namespace
}  // namespace banyan::simulator
