// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace banyan::simulator {

/// Links of a flow's way at most: a domain's, a host's and a rack's boundary, out and in.
inline constexpr size_t kMaxLinks = 6;

/// The links that a flow crosses, by number.
class Route {
 public:
  void add(int link) { links_[size_++] = link; }
  [[nodiscard]] std::span<const int> links() const noexcept { return {links_.data(), size_}; }
  bool operator==(const Route&) const = default;

 private:
  std::array<int, kMaxLinks> links_{};
  size_t size_ = 0;
};

/// Max-min fair rates of flows over links of shared capacity, by progressive filling (Bertsekas and Gallager, Data
/// Networks, 2nd ed., section 6.5.2): all rates grow alike; a flow stops growing at its own limit or when a link on its
/// way is full. Flows of equal route and limit have equal rates and are one bundle. One thread.
class FairShare {
 public:
  /// Capacities by link, above 0.
  explicit FairShare(const std::vector<double>& capacities_bytes_per_s);

  /// A bundle without flows; `limit_bytes_per_s` is each flow's, 0: none. Its rate is 0 until it has flows and settle()
  /// was called. Returns its number, which is used again after it is closed.
  int open(const Route& route, double limit_bytes_per_s);
  /// A bundle that has no flows ends.
  void close(int bundle);
  void add_flow(int bundle);
  void remove_flow(int bundle);

  /// Finds the rates anew where flows that came or went may have changed them. Returns the bundles of which they did.
  const std::vector<int>& settle();

  /// Of each flow; infinity if nothing limits it.
  [[nodiscard]] double rate_bytes_per_s(int bundle) const { return bundles_[static_cast<size_t>(bundle)].rate; }

 private:
  struct Bundle {
    Route route;
    double limit = 0;  ///< infinity: none
    double rate = 0;
    size_t flows = 0;
    std::array<uint32_t, kMaxLinks> places{};  ///< in the links' lists
    uint64_t visit = 0;                        ///< number of the settle() that found it last
    bool is_new = false;
    bool settled = false;  ///< while filling
    double new_rate = 0;   ///< while filling
  };
  /// A bundle on a link, and the link's place on its route.
  struct Crossing {
    uint32_t bundle = 0;
    uint32_t hop = 0;
  };
  struct Link {
    double capacity = 0;
    double limits = 0;  ///< sum of its flows' limits, each cut to twice its capacity: below its capacity it is not full
    std::vector<Crossing> crossings;
    bool touched = false;
    bool tight = false;  ///< at the last settle() its flows could have filled it
    uint64_t visit = 0;
    double left = 0;       ///< while filling: capacity
    size_t unsettled = 0;  ///< while filling: flows
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
  [[nodiscard]] static double limit_on(const Link& link, const Bundle& bundle) noexcept {
    return std::min(bundle.limit, 2 * link.capacity);
  }
  void touch(int link);
  void collect();
  void visit_bundle(uint32_t bundle);
  void visit_link(int link);
  void begin_filling();
  void fill();
  void fill_link(const Share& share);
  void fix(uint32_t bundle, double rate);
  void push_share(int link);

  std::vector<Link> links_;
  std::vector<Bundle> bundles_;
  std::vector<int> free_;
  std::vector<int> touched_;
  std::vector<int> new_;
  uint64_t visit_ = 0;
  std::vector<uint32_t> visited_;  ///< bundles whose rates are sought
  std::vector<int> visited_links_;
  std::vector<Share> shares_;
  std::vector<int> changed_;
};

}  // namespace banyan::simulator
