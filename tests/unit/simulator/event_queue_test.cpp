// SPDX-License-Identifier: Apache-2.0
#include "simulator/event_queue.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <limits>
#include <vector>

namespace banyan::simulator {
namespace {

struct Added {
  double at_s = 0;
  int subject = 0;  ///< in order of adding
};

/// The first of those not taken yet, by time, then by order.
std::vector<Added>::iterator first_of(std::vector<Added>& waiting) {
  return std::min_element(waiting.begin(), waiting.end(), [](const Added& a, const Added& b) {
    return a.at_s != b.at_s ? a.at_s < b.at_s : a.subject < b.subject;
  });
}

TEST(EventQueue, RandomAddsAndTakesThenByTimeAndThoseOfOneTimeAsAdded) {
  EXPECT_TRUE(rc::check([] {
    EventQueue queue;
    std::vector<Added> waiting;
    const int times = *rc::gen::element(1, 5, 5000);  // more than the queue remembers
    for (int i = 0; i < 2000; ++i) {
      if (waiting.empty() || *rc::gen::inRange(0, 5) < 3) {
        const double at_s = *rc::gen::inRange(0, times) / 7.0;
        queue.add(at_s, Event::Kind::kLatencyOver, i);
        waiting.push_back({at_s, i});
        continue;
      }
      const auto first = first_of(waiting);
      RC_ASSERT(queue.next_s() == first->at_s);
      const Event event = queue.take();
      RC_ASSERT(event.at_s == first->at_s);
      RC_ASSERT(event.subject == first->subject);
      waiting.erase(first);
    }
    while (!waiting.empty()) {
      const auto first = first_of(waiting);
      RC_ASSERT(queue.take().subject == first->subject);
      waiting.erase(first);
    }
    RC_ASSERT(queue.next_s() == std::numeric_limits<double>::infinity());
  }));
}

}  // namespace
}  // namespace banyan::simulator
