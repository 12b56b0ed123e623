// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

#include "simulator/fair_share.hpp"
#include "simulator/wires.hpp"

namespace banyan::simulator {

/// Flows in time: bytes that move over links at max-min fair rates, and when they are through. One thread. Memory:
/// O(links + most flows at a time).
class Network : public Wires {
 public:
  /// Capacities by link, above 0.
  explicit Network(const std::vector<double>& capacities_bytes_per_s);

  void begin(const Flow& flow, double now_s) override {
    start(flow.route, flow.bytes, flow.limit_bytes_per_s, now_s, flow.label);
  }
  /// A flow that begins at `now_s`; `limit_bytes_per_s` 0: none; `label` is the caller's. Returns its bundle, whose
  /// rate is 0 until settle() if it is new.
  int start(const Route& route, double bytes, double limit_bytes_per_s, double now_s, int label);

  /// Finds the rates of all flows that what started or ended since the last call may have changed.
  void settle(double now_s) override;

  [[nodiscard]] bool idle() const noexcept override { return by_end_.empty(); }
  /// When the first flow ends, at the rates of the last settle(); infinity if none flows.
  [[nodiscard]] double next_s() const noexcept override;
  /// Ends the flow that next_s() speaks of; returns its label.
  int advance(double now_s) override;

  [[nodiscard]] double rate_bytes_per_s(int bundle) const { return shares_.rate_bytes_per_s(bundle); }
  /// Time during which any flow crossed the link, bytes that did or will.
  [[nodiscard]] double busy_s(int link) const override { return use_[static_cast<size_t>(link)].busy_s; }
  [[nodiscard]] double bytes(int link) const override { return use_[static_cast<size_t>(link)].bytes; }

 private:
  static constexpr uint32_t kNowhere = UINT32_MAX;

  struct Key {
    Route route;
    double limit = 0;
    bool operator==(const Key&) const = default;
  };
  /// A flow ends when its bundle has served each of its flows so much since the bundle's beginning.
  struct Goal {
    double served = 0;
    uint64_t order = 0;
    int label = 0;
    bool operator>(const Goal& other) const noexcept {
      return served != other.served ? served > other.served : order > other.order;
    }
  };
  /// A bundle's flows in time.
  struct Progress {
    Key key;
    double rate = 0;    ///< of each flow
    double served = 0;  ///< bytes of each flow, at `since`
    double since = 0;
    double end = 0;             ///< of its first flow
    std::vector<Goal> goals;    ///< heap, the first flow to end in front
    uint32_t place = kNowhere;  ///< in by_end_
  };
  struct Use {
    size_t flows = 0;
    double since = 0;
    double busy_s = 0;
    double bytes = 0;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const noexcept;
  };

  [[nodiscard]] static double served_at(const Progress& progress, double now_s) noexcept;
  void begin_use(const Route& route, double bytes, double now_s);
  void end_use(const Route& route, double now_s);
  static void update_end(Progress& progress) noexcept;
  void find_end(uint32_t bundle);
  /// The heap of bundles by end.
  [[nodiscard]] bool before(uint32_t a, uint32_t b) const noexcept;
  void sift(size_t place) noexcept;
  void sift_up(size_t place) noexcept;
  void sift_down(size_t place) noexcept;
  void put(size_t place, uint32_t bundle) noexcept;
  void pop_first();

  FairShare shares_;
  std::vector<Use> use_;            ///< by link
  std::vector<Progress> progress_;  ///< by bundle
  std::unordered_map<Key, int, KeyHash> bundles_;
  std::vector<uint32_t> by_end_;  ///< 4-ary heap of bundles that have a rate
  uint64_t next_order_ = 0;
};

}  // namespace banyan::simulator
