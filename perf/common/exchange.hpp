// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/handles.hpp"
#include "common/pattern.hpp"
#include "common/traffic.hpp"

namespace banyan::perf {

/// One exchange of a communicator on fixed buffers, run as often as wanted. Borrows comm and buffers. Collective.
class BanyanExchange {
 public:
  struct Choices {
    std::string algorithm;  ///< empty: the library's choice
    bool oneshot = false;   ///< one-shot calls instead of a persistent request
  };
  BanyanExchange(banyan_comm* comm, const Traffic& traffic, ExchangeBuffers& buffers, Choices choices);

  /// Runs one exchange to its end; Failure with the library's text.
  void run();

 private:
  void run_oneshot();

  banyan_comm* comm_;
  ExchangeBuffers& buffers_;
  size_t element_size_;
  bool uniform_;
  size_t uniform_count_;
  Choices choices_;
  banyan_alltoall_options options_;  ///< points into choices_
  Request request_;
};

/// The library's plan for this traffic and what it says about it.
struct PlanFigures {
  std::string algorithm;
  double predicted_s = 0;
  double bound_s = 0;
  uint64_t wire_bytes = 0;
  uint64_t logical_bytes = 0;
  uint64_t num_messages = 0;
  uint64_t num_mapped_messages = 0;
  bool measured = false;  ///< speeds come from a profile
};

/// Local, equal on all ranks.
[[nodiscard]] Plan make_plan(const banyan_comm* comm, const Traffic& traffic, const std::string& algorithm);
[[nodiscard]] PlanFigures figures_of(const banyan_plan* plan);

/// What all ranks together sent; differences of two readings belong to the exchanges between them.
struct Counters {
  uint64_t messages = 0;
  uint64_t message_bytes = 0;
  uint64_t mapped_writes = 0;
  uint64_t mapped_bytes = 0;
  uint64_t inter_host_messages = 0;
  uint64_t inter_host_bytes = 0;
};
/// This rank's counters so far. Local.
[[nodiscard]] Counters read_counters(const banyan_comm* comm);
/// Exchanges so far that tried a way (banyan_comm_stats). Local; the same on all ranks.
[[nodiscard]] uint64_t read_trials(const banyan_comm* comm);
[[nodiscard]] Counters operator-(const Counters& later, const Counters& earlier);
[[nodiscard]] Counters operator+(const Counters& one, const Counters& other);

/// Gathers `values` of all ranks, rank by rank. Equal length on all ranks. Collective.
[[nodiscard]] std::vector<double> gather(banyan_comm* comm, const std::vector<double>& values);
/// Sums over ranks. Collective.
[[nodiscard]] uint64_t sum(banyan_comm* comm, uint64_t value);
[[nodiscard]] Counters sum(banyan_comm* comm, const Counters& counters);

}  // namespace banyan::perf
