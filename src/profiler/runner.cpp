// SPDX-License-Identifier: Apache-2.0
#include "profiler/runner.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "comm/communicator.hpp"

namespace banyan::profiler {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kSmallBytes = 8;
/// First size of a rate probe: the burst that an idle token-bucket shaper lets pass is often as large (docs/lab.md).
constexpr size_t kFirstBytes = size_t{64} << 10;
/// Bound of a rank's receive buffer.
constexpr size_t kMaxReceiveBytes = size_t{64} << 20;
/// Runs of which the median is taken.
constexpr int kLatencyRuns = 7;
constexpr int kRateRuns = 3;
constexpr int kMaxRepeats = 2000;
/// Exchanges before the clock starts: connections are made, buckets emptied, congestion windows opened.
constexpr int kWarmExchanges = 2;
constexpr double kLeastSeconds = 1e-9;

double seconds_since(Clock::time_point start) {
  return std::max(kLeastSeconds, std::chrono::duration<double>(Clock::now() - start).count());
}

double largest(const std::vector<double>& values) { return *std::max_element(values.begin(), values.end()); }

int repeats_for(double target_s, double once_s, int least) {
  const double wanted = std::ceil(target_s / std::max(once_s, kLeastSeconds));
  return static_cast<int>(std::clamp(wanted, static_cast<double>(least), static_cast<double>(kMaxRepeats)));
}

/// Bytes of a group's flows over the time of its slowest receiver.
std::vector<double> group_rates(const Flows& flows, size_t scale, int count, const std::vector<double>& seconds) {
  std::vector<double> bytes;
  std::vector<double> slowest;
  for (const Flow& flow : flows) {
    const auto group = static_cast<size_t>(flow.group);
    bytes.resize(std::max(bytes.size(), group + 1));
    slowest.resize(bytes.size(), kLeastSeconds);
    bytes[group] += static_cast<double>(flow_bytes(flow, scale)) * count;
    slowest[group] = std::max(slowest[group], seconds[static_cast<size_t>(flow.to)]);
  }
  for (size_t group = 0; group < bytes.size(); ++group) {
    bytes[group] /= slowest[group];
  }
  return bytes;
}

}  // namespace

double median(std::vector<double> values) {
  const size_t middle = values.size() / 2;
  std::sort(values.begin(), values.end());
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

Runner::Runner(coll::Engine& engine, size_t max_bytes)
    : engine_(engine),
      rank_(engine.communicator().rank()),
      size_(engine.communicator().size()),
      max_bytes_(max_bytes) {}

std::vector<double> Runner::gather(double mine) {
  comm::Communicator& comm = engine_.communicator();
  std::vector<double> all(static_cast<size_t>(size_));
  comm.bootstrap().allgather(&mine, all.data(), sizeof mine, Deadline::in(comm.settings().timeout_s));
  return all;
}

void Runner::exchange(const Layout& layout) {
  static const coll::Options kOptions{.algorithm = "direct", .timeout_s = 0};
  engine_.alltoallv(send_.data(), recv_.data(),
                    {.send_bytes = layout.send_bytes,
                     .send_offsets = layout.send_offsets,
                     .recv_bytes = layout.recv_bytes,
                     .recv_offsets = layout.recv_offsets},
                    kOptions);
}

void Runner::reserve(const Layout& layout) {
  if (send_.size() < layout.send_total) {
    send_.resize(layout.send_total, std::byte{1});
  }
  if (recv_.size() < layout.recv_total) {
    recv_.resize(layout.recv_total);
  }
}

std::vector<double> Runner::time_exchanges(const Flows& flows, size_t scale, int warm, int count) {
  const Layout layout = layout_of(flows, rank_, size_, scale);
  reserve(layout);
  for (int i = 0; i < warm; ++i) {
    exchange(layout);
  }
  const auto start = Clock::now();
  for (int i = 0; i < count; ++i) {
    exchange(layout);
  }
  return gather(seconds_since(start));
}

std::vector<double> Runner::time_round_trips(int a, int b, int count) {
  const Layout there = layout_of({{.from = a, .to = b}}, rank_, size_, kSmallBytes);
  const Layout back = layout_of({{.from = b, .to = a}}, rank_, size_, kSmallBytes);
  reserve(there);
  reserve(back);
  exchange(there);
  exchange(back);
  const auto start = Clock::now();
  for (int i = 0; i < count; ++i) {
    exchange(there);
    exchange(back);
  }
  return gather(seconds_since(start));
}

double Runner::one_way_s(int a, int b, double target_s) {
  constexpr int kTrial = 8;
  const auto from = static_cast<size_t>(a);
  const double trial_s = time_round_trips(a, b, kTrial)[from] / kTrial;
  const int count = repeats_for(target_s / kLatencyRuns, trial_s, kTrial);
  std::vector<double> runs;
  for (int run = 0; run < kLatencyRuns; ++run) {
    runs.push_back(time_round_trips(a, b, count)[from] / (2.0 * count));
  }
  return median(runs);
}

/// Slope of the time of n one-way messages over n, at the receiver.
double Runner::stream_s(int a, int b) {
  constexpr int kFew = 16;
  constexpr int kMany = 64;
  const Flows flows = {{.from = a, .to = b}};
  std::vector<double> few;
  std::vector<double> many;
  for (int run = 0; run < kLatencyRuns; ++run) {
    few.push_back(time_exchanges(flows, kSmallBytes, kWarmExchanges, kFew)[static_cast<size_t>(b)]);
    many.push_back(time_exchanges(flows, kSmallBytes, kWarmExchanges, kMany)[static_cast<size_t>(b)]);
  }
  const double slope = (median(many) - median(few)) / (kMany - kFew);
  return slope > 0 ? slope : median(many) / kMany;
}

double Runner::overhead_s(const MessagePatterns& patterns, int a, int b, double target_s) {
  const int more = patterns.busiest_many - patterns.busiest_few;
  if (more > 0) {
    constexpr int kTrial = 4;
    const double trial_s =
        largest(time_exchanges(patterns.many, kSmallBytes, kWarmExchanges, kTrial)) / kTrial;
    const int count = repeats_for(target_s / (2 * kLatencyRuns), trial_s, kTrial);
    std::vector<double> few;
    std::vector<double> many;
    for (int run = 0; run < kLatencyRuns; ++run) {
      few.push_back(largest(time_exchanges(patterns.few, kSmallBytes, kWarmExchanges, count)) / count);
      many.push_back(largest(time_exchanges(patterns.many, kSmallBytes, kWarmExchanges, count)) / count);
    }
    const double slope = (median(many) - median(few)) / (2.0 * more);
    if (slope > 0) {
      return slope;
    }
  }
  return stream_s(a, b);
}

/// Grows messages until one exchange takes a good part of the target, or they are as large as allowed.
size_t Runner::choose_scale(const Flows& flows, double target_s, double* exchange_s) {
  constexpr int kTrial = 2;
  constexpr double kPart = 1.0 / 16;
  constexpr double kMaxGrowth = 16;
  const auto room = static_cast<size_t>(static_cast<double>(kMaxReceiveBytes) / largest_inflow(flows, size_));
  const size_t most = std::max<size_t>(1, std::min(max_bytes_, room));
  size_t scale = std::min(kFirstBytes, most);
  while (true) {
    *exchange_s = largest(time_exchanges(flows, scale, 1, kTrial)) / kTrial;
    const double growth = std::min(target_s * kPart / *exchange_s, kMaxGrowth);
    if (scale == most || growth <= 1) {
      return scale;
    }
    scale = static_cast<size_t>(std::min(static_cast<double>(most), std::ceil(static_cast<double>(scale) * growth)));
  }
}

std::vector<double> Runner::rates(const Flows& flows, double target_s) {
  constexpr int kLeastRepeats = 3;
  double exchange_s = 0;
  const size_t scale = choose_scale(flows, target_s, &exchange_s);
  // The first exchanges may have been lighter than those under load: what is planned stays below the target.
  const int count = repeats_for(0.75 * target_s / kRateRuns, exchange_s, kLeastRepeats);
  const int runs = exchange_s * kLeastRepeats * kRateRuns > 2 * target_s ? 1 : kRateRuns;
  std::vector<std::vector<double>> by_group;
  for (int run = 0; run < runs; ++run) {
    const auto rates = group_rates(flows, scale, count, time_exchanges(flows, scale, kWarmExchanges, count));
    by_group.resize(rates.size());
    for (size_t group = 0; group < rates.size(); ++group) {
      by_group[group].push_back(rates[group]);
    }
  }
  std::vector<double> result;
  for (const auto& values : by_group) {
    result.push_back(median(values));
  }
  return result;
}

}  // namespace banyan::profiler
