// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <vector>

namespace banyan::simulator {

/// Something that happens at a time known before. Events of one time happen in the order in which they were added.
struct Event {
  enum class Kind : uint8_t { kCoreDone, kLatencyOver };

  double at_s = 0;
  Kind kind = Kind::kCoreDone;
  int subject = 0;  ///< kCoreDone: a rank; kLatencyOver: a message in flight
};

/// Events by time. One thread. Ranks of equal machines do the same at the same time, so events of one time are a list,
/// and only the lists are in a heap: adding to a time that was used lately, and taking from it, is O(1).
class EventQueue {
 public:
  void add(double at_s, Event::Kind kind, int subject) {
    const uint32_t place = take_place(kind, subject);
    const auto bits = std::bit_cast<uint64_t>(at_s);
    uint32_t& recent = recent_[static_cast<size_t>((bits * kGolden) >> (64 - kRecentBits))];
    if (recent != kNone && times_[recent].first != kNone && times_[recent].at_s == at_s) {
      items_[times_[recent].last].next = place;
      times_[recent].last = place;
      return;
    }
    recent = take_time();
    times_[recent] = {.at_s = at_s, .first = place, .last = place};
    heap_.push_back({at_s, next_order_++, recent});
    sift_up(heap_.size() - 1);
  }
  [[nodiscard]] double next_s() const noexcept {
    return heap_.empty() ? std::numeric_limits<double>::infinity() : heap_.front().at_s;
  }
  Event take() {
    Time& time = times_[heap_.front().time];
    const uint32_t place = time.first;
    const Event event{time.at_s, items_[place].kind, items_[place].subject};
    time.first = items_[place].next;
    items_[place].next = free_item_;
    free_item_ = place;
    if (time.first == kNone) {
      free_times_.push_back(heap_.front().time);
      heap_.front() = heap_.back();
      heap_.pop_back();
      sift_down();
    }
    return event;
  }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr int kRecentBits = 10;
  static constexpr uint64_t kGolden = 0x9e3779b97f4a7c15ULL;  // 2^64 over the golden ratio
  static constexpr size_t kArity = 4;

  struct Item {
    uint32_t next = kNone;
    Event::Kind kind = Event::Kind::kCoreDone;
    int subject = 0;
  };
  /// The events of a time, in order; without any its place is free.
  struct Time {
    double at_s = 0;
    uint32_t first = kNone;
    uint32_t last = kNone;
  };
  /// Of two lists of one time the later was begun when no more was added to the earlier.
  struct Entry {
    double at_s = 0;
    uint64_t order = 0;
    uint32_t time = 0;
    [[nodiscard]] bool before(const Entry& other) const noexcept {
      return at_s != other.at_s ? at_s < other.at_s : order < other.order;
    }
  };

  uint32_t take_place(Event::Kind kind, int subject) {
    if (free_item_ == kNone) {
      items_.push_back({kNone, kind, subject});
      return static_cast<uint32_t>(items_.size() - 1);
    }
    const uint32_t place = free_item_;
    free_item_ = items_[place].next;
    items_[place] = {kNone, kind, subject};
    return place;
  }
  uint32_t take_time() {
    if (free_times_.empty()) {
      times_.emplace_back();
      return static_cast<uint32_t>(times_.size() - 1);
    }
    const uint32_t time = free_times_.back();
    free_times_.pop_back();
    return time;
  }
  void sift_up(size_t place) {
    const Entry entry = heap_[place];
    while (place > 0 && entry.before(heap_[(place - 1) / kArity])) {
      heap_[place] = heap_[(place - 1) / kArity];
      place = (place - 1) / kArity;
    }
    heap_[place] = entry;
  }
  void sift_down() {
    if (heap_.empty()) {
      return;
    }
    const Entry entry = heap_.front();
    size_t place = 0;
    for (size_t first = 1; first < heap_.size(); first = place * kArity + 1) {
      size_t least = first;
      for (size_t child = first + 1; child < heap_.size() && child < first + kArity; ++child) {
        least = heap_[child].before(heap_[least]) ? child : least;
      }
      if (!heap_[least].before(entry)) {
        break;
      }
      heap_[place] = heap_[least];
      place = least;
    }
    heap_[place] = entry;
  }

  std::vector<Item> items_;
  uint32_t free_item_ = kNone;
  std::vector<Time> times_;
  std::vector<uint32_t> free_times_;
  std::vector<Entry> heap_;  ///< 4-ary
  std::array<uint32_t, size_t{1} << kRecentBits> recent_ =
      all_none();  ///< by hash of a time: its list, if not yet empty
  uint64_t next_order_ = 0;

  static constexpr std::array<uint32_t, size_t{1} << kRecentBits> all_none() {
    std::array<uint32_t, size_t{1} << kRecentBits> none{};
    for (uint32_t& one : none) {
      one = kNone;
    }
    return none;
  }
};

}  // namespace banyan::simulator
