// SPDX-License-Identifier: Apache-2.0
#include "profiler/runner.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "comm/communicator.hpp"

namespace banyan::profiler {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kSmallBytes = 8;
/// First size of a rate probe: the burst that an idle token-bucket shaper lets pass is often as large (docs/lab.md).
constexpr size_t kFirstBytes = size_t{64} << 10;
/// Bound of a rank's receive buffer.
constexpr size_t kMaxReceiveBytes = size_t{64} << 20;
/// Runs of which the fastest counts: other work on the machines can only add time.
constexpr int kRuns = 3;
constexpr int kMaxRepeats = 5000;
/// Exchanges before the clock starts: connections are made, congestion windows opened, windows of posted sends filled.
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

/// What one exchange moves in each group.
std::vector<double> group_bytes(const Flows& flows, size_t scale) {
  std::vector<double> bytes;
  for (const Flow& flow : flows) {
    const auto group = static_cast<size_t>(flow.group);
    bytes.resize(std::max(bytes.size(), group + 1));
    bytes[group] += static_cast<double>(flow_bytes(flow, scale));
  }
  return bytes;
}

/// The time of each group's slowest receiver.
std::vector<double> group_seconds(const Flows& flows, size_t num_groups, const std::vector<double>& seconds) {
  std::vector<double> slowest(num_groups, kLeastSeconds);
  for (const Flow& flow : flows) {
    auto& of_group = slowest[static_cast<size_t>(flow.group)];
    of_group = std::max(of_group, seconds[static_cast<size_t>(flow.to)]);
  }
  return slowest;
}

/// Seconds per exchange as the slope between a short and a long run, which a shaper's burst and the start-up cancel
/// from. The burst makes the slope larger than the long run's share, the start-up smaller; what is much smaller is
/// noise.
double slope_s(double few_s, int few, double many_s, int many) {
  constexpr double kLeastOfShare = 0.95;
  return std::max((many_s - few_s) / (many - few), kLeastOfShare * many_s / many);
}

double smallest(const std::vector<double>& values) { return *std::min_element(values.begin(), values.end()); }

}  // namespace

double midmean(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t cut = values.size() / 4;
  const auto first = values.begin() + static_cast<std::ptrdiff_t>(cut);
  const auto last = values.end() - static_cast<std::ptrdiff_t>(cut);
  return std::accumulate(first, last, 0.0) / static_cast<double>(last - first);
}

Runner::Runner(coll::Engine& engine, size_t max_bytes)
    : engine_(engine),
      rank_(engine.communicator().rank()),
      size_(engine.communicator().size()),
      max_bytes_(max_bytes) {}

std::vector<double> Runner::gather(double mine) {
  // The end of an exchange means that its buffers are free, not that its data have left: a transport may hold a copy
  // that moves on only while this rank works on an exchange. The barrier is one, and ends when all have what they need.
  engine_.barrier();
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

std::vector<double> Runner::time_exchanges(const Flows& flows, size_t scale, int count) {
  const Layout layout = layout_of(flows, rank_, size_, scale);
  reserve(layout);
  for (int i = 0; i < kWarmExchanges; ++i) {
    exchange(layout);
  }
  // Nothing is on the way, and no flow is ahead of another, when all have come here.
  static_cast<void>(gather(0));
  // The clock starts before the barrier, so that no data moves before all clocks run. A receiver that started its clock
  // late, for want of a core, would find data waiting in its kernel and seem faster than the wires.
  const auto start = Clock::now();
  engine_.barrier();
  for (int i = 0; i < count; ++i) {
    exchange(layout);
  }
  return gather(seconds_since(start));
}

double Runner::small_exchange_s(const Flows& flows, int count) {
  const Layout layout = layout_of(flows, rank_, size_, kSmallBytes);
  reserve(layout);
  std::vector<double> times;
  for (int i = 0; i < kWarmExchanges + count; ++i) {
    const auto start = Clock::now();
    exchange(layout);
    times.push_back(seconds_since(start));
  }
  times.erase(times.begin(), times.begin() + kWarmExchanges);
  return largest(gather(midmean(std::move(times))));
}

double Runner::round_trip_s(int a, int b, int count) {
  const Layout there = layout_of({{.from = a, .to = b}}, rank_, size_, kSmallBytes);
  const Layout back = layout_of({{.from = b, .to = a}}, rank_, size_, kSmallBytes);
  reserve(there);
  reserve(back);
  std::vector<double> times;
  for (int i = 0; i < kWarmExchanges + count; ++i) {
    const auto start = Clock::now();
    exchange(there);
    exchange(back);
    times.push_back(seconds_since(start));
  }
  times.erase(times.begin(), times.begin() + kWarmExchanges);
  return gather(midmean(std::move(times)))[static_cast<size_t>(a)];
}

double Runner::one_way_s(int a, int b, double target_s) {
  constexpr int kTrial = 16;
  const int count = repeats_for(target_s / kRuns, round_trip_s(a, b, kTrial), kTrial);
  std::vector<double> runs;
  for (int run = 0; run < kRuns; ++run) {
    runs.push_back(round_trip_s(a, b, count));
  }
  return smallest(runs) / 2;
}

double Runner::stream_s(int a, int b) {
  constexpr int kFew = 16;
  constexpr int kMany = 64;
  const Flows flows = {{.from = a, .to = b}};
  std::vector<double> few;
  std::vector<double> many;
  for (int run = 0; run < kRuns; ++run) {
    few.push_back(time_exchanges(flows, kSmallBytes, kFew)[static_cast<size_t>(b)]);
    many.push_back(time_exchanges(flows, kSmallBytes, kMany)[static_cast<size_t>(b)]);
  }
  const double slope = (smallest(many) - smallest(few)) / (kMany - kFew);
  return slope > 0 ? slope : smallest(many) / kMany;
}

double Runner::extra_s(const MessagePatterns& patterns, double target_s) {
  if (patterns.extra().rank <= 0 && patterns.extra().host <= 0) {
    return 0;
  }
  constexpr int kTrial = 16;
  const double trial_s = small_exchange_s(patterns.many, kTrial);
  const int count = repeats_for(target_s / (2 * kRuns), trial_s, kTrial);
  std::vector<double> few;
  std::vector<double> many;
  for (int run = 0; run < kRuns; ++run) {
    few.push_back(small_exchange_s(patterns.few, count));
    many.push_back(small_exchange_s(patterns.many, count));
  }
  return std::max(0.0, smallest(many) - smallest(few));
}

/// Grows messages until one exchange takes a good part of the target, or they are as large as allowed.
size_t Runner::choose_scale(const Flows& flows, double target_s, double* exchange_s) {
  constexpr int kTrial = 2;
  constexpr double kPart = 1.0 / 40;
  constexpr double kMaxGrowth = 16;
  const auto room = static_cast<size_t>(static_cast<double>(kMaxReceiveBytes) / largest_inflow(flows, size_));
  const size_t most = std::max<size_t>(1, std::min(max_bytes_, room));
  size_t scale = std::min(kFirstBytes, most);
  while (true) {
    std::vector<double> trials;
    for (int run = 0; run < kRuns; ++run) {
      trials.push_back(largest(time_exchanges(flows, scale, kTrial)) / kTrial);
    }
    *exchange_s = smallest(trials);
    const double growth = std::min(target_s * kPart / *exchange_s, kMaxGrowth);
    if (scale == most || growth <= 1) {
      return scale;
    }
    scale = static_cast<size_t>(std::min(static_cast<double>(most), std::ceil(static_cast<double>(scale) * growth)));
  }
}

std::vector<double> Runner::rates(const Flows& flows, double target_s) {
  constexpr int kFewerBy = 4;
  double exchange_s = 0;
  const size_t scale = choose_scale(flows, target_s, &exchange_s);
  // Warm exchanges, short and long runs together stay below the target.
  const int many = repeats_for(0.5 * target_s / kRuns, exchange_s, kFewerBy);
  const int few = many / kFewerBy;
  const int runs = exchange_s * (many + few + 2 * kWarmExchanges) * kRuns > 2 * target_s ? 1 : kRuns;
  std::vector<double> rates = group_bytes(flows, scale);
  std::vector<std::vector<double>> few_s(rates.size());
  std::vector<std::vector<double>> many_s(rates.size());
  for (int run = 0; run < runs; ++run) {
    for (auto [seconds, count] : {std::pair{&few_s, few}, std::pair{&many_s, many}}) {
      const auto all = group_seconds(flows, rates.size(), time_exchanges(flows, scale, count));
      for (size_t group = 0; group < all.size(); ++group) {
        (*seconds)[group].push_back(all[group]);
      }
    }
  }
  for (size_t group = 0; group < rates.size(); ++group) {
    rates[group] /= slope_s(smallest(few_s[group]), few, smallest(many_s[group]), many);
  }
  return rates;
}

}  // namespace banyan::profiler
