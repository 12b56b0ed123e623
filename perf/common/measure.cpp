// SPDX-License-Identifier: Apache-2.0
#include "common/measure.hpp"

#include <chrono>

#include "common/statistics.hpp"

namespace banyan::perf {
namespace {

using Clock = std::chrono::steady_clock;

std::vector<double> time_exchanges(banyan_comm* comm, BanyanExchange& exchange, const SweepOptions& options) {
  require(banyan_comm_barrier(comm), "banyan_comm_barrier");
  for (int i = 0; i < options.warmup; ++i) {
    exchange.run();
  }
  std::vector<double> times;
  times.reserve(static_cast<size_t>(options.iterations));
  auto last = Clock::now();
  for (int i = 0; i < options.iterations; ++i) {
    exchange.run();
    const auto now = Clock::now();
    times.push_back(std::chrono::duration<double>(now - last).count());
    last = now;
  }
  return times;
}

}  // namespace

Row measure(banyan_comm* comm, const CommShape& shape, const Traffic& traffic, const SweepOptions& options) {
  Row row;
  row.size_bytes = traffic.uniform_bytes.value_or(mean_bytes_per_pair(traffic));
  row.busiest_bytes = busiest_rank_bytes(traffic);
  row.element_size = traffic.element_size;
  row.num_ranks = shape.size;
  row.plan = figures_of(make_plan(comm, traffic, options.algorithm).get());

  ExchangeBuffers buffers(traffic, shape.rank);
  BanyanExchange exchange(comm, traffic, buffers, {options.algorithm, options.oneshot});
  const Counters before = read_counters(comm);
  const auto times = time_exchanges(comm, exchange, options);
  row.counters = read_counters(comm) - before;
  uint64_t wrong = 0;
  for (int i = 0; i < options.checks; ++i) {
    const uint64_t salt = 1 + static_cast<uint64_t>(i);
    buffers.prepare(salt);
    exchange.run();
    wrong += buffers.count_wrong(salt);
  }
  // What the library still holds of the last exchange moves on only inside its exchanges.
  require(banyan_comm_barrier(comm), "banyan_comm_barrier");
  row.counters = sum(comm, row.counters);
  row.num_exchanges = static_cast<uint64_t>(options.warmup + options.iterations);
  row.checked = static_cast<uint64_t>(options.checks);
  row.wrong = sum(comm, wrong);
  row.times_s = slowest_rank(gather(comm, times), times.size());
  return row;
}

}  // namespace banyan::perf
