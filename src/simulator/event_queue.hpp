// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

namespace banyan::simulator {

/// Something that happens at a time known before. Events of one time happen in the order in which they were added.
struct Event {
  enum class Kind : uint8_t { kCoreDone, kLatencyOver };

  double at_s = 0;
  uint64_t order = 0;
  Kind kind = Kind::kCoreDone;
  int subject = 0;  ///< kCoreDone: a rank; kLatencyOver: a message in flight
};

/// Events by time. One thread.
class EventQueue {
 public:
  void add(double at_s, Event::Kind kind, int subject) {
    events_.push_back({at_s, next_order_++, kind, subject});
    std::push_heap(events_.begin(), events_.end(), later);
  }
  [[nodiscard]] double next_s() const noexcept {
    return events_.empty() ? std::numeric_limits<double>::infinity() : events_.front().at_s;
  }
  Event take() {
    std::pop_heap(events_.begin(), events_.end(), later);
    const Event first = events_.back();
    events_.pop_back();
    return first;
  }

 private:
  static bool later(const Event& a, const Event& b) noexcept {
    return a.at_s != b.at_s ? a.at_s > b.at_s : a.order > b.order;
  }

  std::vector<Event> events_;
  uint64_t next_order_ = 0;
};

}  // namespace banyan::simulator
