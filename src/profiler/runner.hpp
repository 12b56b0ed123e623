// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include "coll/engine.hpp"
#include "profiler/pattern.hpp"

namespace banyan::profiler {

/// Times exchanges. Every function is collective: all ranks call it with equal arguments and get equal results, since
/// each decision is made from times that all ranks have exchanged. One thread. Throws what exchanges throw.
class Runner {
 public:
  /// `max_bytes`: largest message. The engine is borrowed.
  Runner(coll::Engine& engine, size_t max_bytes);

  /// One-way time of an 8-byte message between `a` and `b`: half of the middle round trips' time in the
  /// fastest of a few runs. Above 0.
  [[nodiscard]] double one_way_s(int a, int b, double target_s);

  /// What an exchange of small messages takes longer with `patterns.many` than with `patterns.few`; 0 if noise hides it
  /// or no rank or host has more messages.
  [[nodiscard]] double extra_s(const MessagePatterns& patterns, double target_s);

  /// Time per message of a one-way stream of small messages from `a` to `b`, at `b`. Above 0.
  [[nodiscard]] double stream_s(int a, int b);

  /// Sustained bytes/s of each group of flows, all groups at once: the slope of the time at which the last byte has
  /// arrived over the bytes sent. Above 0.
  [[nodiscard]] std::vector<double> rates(const Flows& flows, double target_s);

  /// Gathers one number of each rank.
  [[nodiscard]] std::vector<double> gather(double mine);

  [[nodiscard]] coll::Engine& engine() noexcept { return engine_; }

 private:
  /// Runs `count` exchanges of the pattern, begun when all ranks are idle and connected; the seconds that each rank
  /// took.
  [[nodiscard]] std::vector<double> time_exchanges(const Flows& flows, size_t scale, int count);
  /// Seconds of one small exchange among `count` back to back: the middle of each rank's times, of the slowest rank.
  [[nodiscard]] double small_exchange_s(const Flows& flows, int count);
  /// Seconds of one round trip of a small message among `count`.
  [[nodiscard]] double round_trip_s(int a, int b, int count);
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

/// The mean of the middle half of the values: no outlier counts, and of exchanges that are fast and slow in turn both
/// do. Not empty.
[[nodiscard]] double midmean(std::vector<double> values);

}  // namespace banyan::profiler
