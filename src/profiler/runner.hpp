// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include "coll/engine.hpp"
#include "profiler/pattern.hpp"

namespace banyan::profiler {

/// Times exchanges. Every function is collective: all ranks call it with equal arguments and get equal results, since each
/// decision is made from times that all ranks have exchanged. One thread. Throws what exchanges throw.
class Runner {
 public:
  /// `max_bytes`: largest message. The engine is borrowed.
  Runner(coll::Engine& engine, size_t max_bytes);

  /// One-way time of an 8-byte message from `a` to `b`: half a round trip, the median of several runs. Above 0.
  [[nodiscard]] double one_way_s(int a, int b, double target_s);

  /// Time that a message occupies one end, with all ranks at work at once: half the slope of an exchange's time over the
  /// number of messages that each rank sends and receives. Where a rank has one peer only, or noise hides the slope: the
  /// time per message of a one-way stream from `a` to `b`. Above 0.
  [[nodiscard]] double overhead_s(const MessagePatterns& patterns, int a, int b, double target_s);

  /// Sustained bytes/s of each group of flows, measured where they arrive, all groups at once. Above 0.
  [[nodiscard]] std::vector<double> rates(const Flows& flows, double target_s);

  /// Gathers one number of each rank.
  [[nodiscard]] std::vector<double> gather(double mine);

  [[nodiscard]] coll::Engine& engine() noexcept { return engine_; }

 private:
  /// Runs `warm + count` exchanges of the pattern back to back; the seconds that each rank took for the last `count`.
  [[nodiscard]] std::vector<double> time_exchanges(const Flows& flows, size_t scale, int warm, int count);
  [[nodiscard]] std::vector<double> time_round_trips(int a, int b, int count);
  [[nodiscard]] double stream_s(int a, int b);
  [[nodiscard]] size_t choose_scale(const Flows& flows, double target_s, double* exchange_s);
  void exchange(const Layout& layout);
  void reserve(const Layout& layout);

  coll::Engine& engine_;
  int rank_;
  int size_;
  size_t max_bytes_;
  std::vector<std::byte> send_;
  std::vector<std::byte> recv_;
};

/// The middle value (mean of the two, if even). Not empty.
[[nodiscard]] double median(std::vector<double> values);

}  // namespace banyan::profiler
