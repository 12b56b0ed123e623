// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

/// Flows over links of shared capacity: each flow moves at its max-min fair rate, found by progressive filling
/// (Bertsekas and Gallager, Data Networks, 2nd ed., section 6.5.2): all rates grow alike; a flow stops growing at its
/// own limit or when a link on its way is full.
namespace banyan::simulator {

/// Links of a flow's way at most: a domain's, a host's and a rack's boundary, out and in.
inline constexpr size_t kMaxLinks = 6;

/// The links that a flow crosses, by number.
class Route {
 public:
  void add(int link) { links_[size_++] = link; }
  [[nodiscard]] std::span<const int> links() const noexcept { return {links_.data(), size_}; }

 private:
  std::array<int, kMaxLinks> links_{};
  size_t size_ = 0;
};

/// Flows, their rates and when they end. One thread. Memory: O(links + most flows at a time).
class Network {
 public:
  /// Capacities by link, above 0.
  explicit Network(const std::vector<double>& capacities_bytes_per_s);

  /// A flow that begins at `now_s`; `limit_bytes_per_s` 0: none. Its rate is 0 until settle(). Returns its number,
  /// which is used again after it ends. `label` is the caller's.
  int start(const Route& route, double bytes, double limit_bytes_per_s, double now_s, int label);

  /// Finds the rates of all flows that what started or ended since the last call may have changed.
  void settle(double now_s);

  [[nodiscard]] bool idle() const noexcept { return by_end_.empty(); }
  /// When the first flow ends, at the rates of the last settle(); infinity if none flows.
  [[nodiscard]] double next_end_s() const noexcept;
  /// Ends the flow that next_end_s() speaks of; returns its label.
  int end_next(double now_s);

  /// Time during which any flow crossed the link, bytes that did or will.
  [[nodiscard]] double busy_s(int link) const { return links_[static_cast<size_t>(link)].busy_s; }
  [[nodiscard]] double bytes(int link) const { return links_[static_cast<size_t>(link)].bytes; }
  [[nodiscard]] double rate_bytes_per_s(int flow) const { return flows_[static_cast<size_t>(flow)].rate; }

 private:
  static constexpr uint32_t kNowhere = UINT32_MAX;

  struct Flow {
    double left = 0;  ///< bytes, at `since`
    double since = 0;
    double rate = 0;
    double limit = 0;  ///< infinity: none
    double end = 0;
    uint32_t place = kNowhere;  ///< in by_end_
    int label = 0;
    uint32_t visit = 0;  ///< number of the settle() that found it last
    uint8_t num_links = 0;
    bool settled = false;
    std::array<int, kMaxLinks> links{};
    std::array<uint32_t, kMaxLinks> places{};  ///< in the links' lists
  };
  /// A flow on a link, and the link's number in the flow's list.
  struct Crossing {
    uint32_t flow = 0;
    uint32_t hop = 0;
  };
  struct Link {
    double capacity = 0;
    double limits = 0;  ///< sum of its flows' limits, each cut to twice its capacity: below its capacity it is not full
    std::vector<Crossing> crossings;
    bool touched = false;
    bool tight = false;  ///< at the last settle() its flows could have filled it
    uint32_t visit = 0;
    double left = 0;       ///< while filling: capacity
    size_t unsettled = 0;  ///< while filling: flows
    double bytes = 0;
    double busy_s = 0;
    double busy_since = 0;
  };
  struct Share {
    double rate = 0;
    int link = 0;
    bool operator>(const Share& other) const noexcept {
      return rate != other.rate ? rate > other.rate : link > other.link;
    }
  };

  [[nodiscard]] static bool can_fill(const Link& link) noexcept {
    return !link.crossings.empty() && link.limits > link.capacity;
  }
  /// What a flow adds to Link::limits: finite, and enough to fill the link if the flow alone can.
  [[nodiscard]] static double limit_on(const Link& link, const Flow& flow) noexcept {
    return std::min(flow.limit, 2 * link.capacity);
  }
  void touch(int link);
  void detach(Flow& flow, double now_s);
  void collect();
  void visit_flow(uint32_t flow);
  void visit_link(int link);
  void fill();
  void fix(uint32_t flow, double rate);
  void apply_rates(double now_s);
  void push_share(int link);
  /// The flows' heap by end.
  [[nodiscard]] bool before(uint32_t a, uint32_t b) const noexcept;
  void sift_up(size_t place) noexcept;
  void sift_down(size_t place) noexcept;
  void put(size_t place, uint32_t flow) noexcept;
  void reorder(uint32_t flow);
  void pop_first();

  std::vector<Link> links_;
  std::vector<Flow> flows_;
  std::vector<uint32_t> free_;
  std::vector<uint32_t> by_end_;  ///< 4-ary heap of flows that have a rate
  std::vector<int> touched_;
  std::vector<uint32_t> started_;
  uint32_t visit_ = 0;
  std::vector<uint32_t> visited_;   ///< flows whose rates are sought
  std::vector<double> new_rates_;   ///< by place in visited_
  std::vector<uint32_t> index_of_;  ///< by flow: place in visited_
  std::vector<int> visited_links_;
  std::vector<Share> shares_;
};

}  // namespace banyan::simulator
