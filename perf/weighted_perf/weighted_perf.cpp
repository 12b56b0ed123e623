// SPDX-License-Identifier: Apache-2.0
// What an exchange of counts costs, and what a weighted all-to-all saves of it.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <random>
#include <sstream>

#include "candidates.hpp"
#include "common/exchange.hpp"
#include "common/failure.hpp"
#include "common/program.hpp"
#include "common/statistics.hpp"
#include "common/traffic_source.hpp"

namespace banyan::perf {
namespace {

namespace po = boost::program_options;
using Clock = std::chrono::steady_clock;

constexpr int kFirstExchanges = 80;  ///< of each candidate, untimed: all-to-all-v tries its ways

struct WeightedOptions {
  SweepOptions sweep;
  TrafficOptions traffic;
  int rounds = 11;
  double capacity_factor = 1.25;
  std::string profile_file;
};

po::options_description known_options(WeightedOptions& options) {
  po::options_description runs("Runs");
  auto add = runs.add_options();
  add("iters,n", po::value(&options.sweep.iterations)->default_value(options.sweep.iterations),
      "timed exchanges of each way in a round");
  add("warmup_iters,w", po::value(&options.sweep.warmup)->default_value(options.sweep.warmup), "untimed ones before");
  add("rounds", po::value(&options.rounds)->default_value(options.rounds), "rounds of all ways, in random order");
  add("capacity-factor", po::value(&options.capacity_factor)->default_value(options.capacity_factor),
      "capacity of a pair by its count, at least 1");
  add("profile", po::value(&options.profile_file), "measured profile, a file of banyan-profile");
  add("help,h", "this text");
  po::options_description all;
  all.add(size_options(options.sweep)).add(traffic_options(options.traffic)).add(runs);
  return all;
}

std::string help_text(const po::options_description& options) {
  std::ostringstream text;
  text << "usage: weighted_perf [OPTIONS]\n"
          "Times three ways to exchange counts that only their sender knows, in turn in one run: 'known', an "
          "all-to-all-v\n"
          "whose receivers were told them beforehand (not a way, but the limit); 'exchanged', an all-to-all of the "
          "counts\n"
          "and then an all-to-all-v; 'weighted', a weighted all-to-all with room for more. Checks the data.\n\n"
       << options
       << "\nExamples:\n"
          "  banyan-run -n 4 -- weighted_perf --gen moe -b 64 -e 64k -f 4\n"
          "  banyan-lab run -- weighted_perf -b 16 -e 4k --capacity-factor 2\n\n"
          "Times are medians over rounds of the slowest rank's mean; docs/weighted.md says what they mean.\n";
  return text.str();
}

/// Median over rounds, of each candidate. The same on all ranks.
std::array<double, kNumCandidates> time_candidates(banyan_comm* comm, const WeightedOptions& options,
                                                   std::vector<std::unique_ptr<Candidate>>& candidates) {
  for (const auto& candidate : candidates) {
    for (int i = 0; i < kFirstExchanges; ++i) {
      candidate->run();
    }
  }
  std::mt19937 random(1);  // NOLINT(bugprone-random-generator-seed,cert-msc51-cpp): the same on all ranks
  std::vector<size_t> order(kNumCandidates);
  std::array<std::vector<double>, kNumCandidates> times;
  for (int round = 0; round < options.rounds; ++round) {
    for (size_t i = 0; i < order.size(); ++i) {
      order[i] = i;
    }
    std::shuffle(order.begin(), order.end(), random);
    for (const size_t number : order) {
      require(banyan_comm_barrier(comm), "banyan_comm_barrier");
      for (int i = 0; i < options.sweep.warmup; ++i) {
        candidates[number]->run();
      }
      const auto begin = Clock::now();
      for (int i = 0; i < options.sweep.iterations; ++i) {
        candidates[number]->run();
      }
      times[number].push_back(std::chrono::duration<double>(Clock::now() - begin).count() / options.sweep.iterations);
    }
  }
  std::array<double, kNumCandidates> medians{};
  for (size_t number = 0; number < kNumCandidates; ++number) {
    const auto slowest = slowest_rank(gather(comm, times[number]), times[number].size());
    medians[number] = median(slowest).value_or(0);
  }
  return medians;
}

/// One line of the table; returns the bytes that were wrong, over all ranks.
uint64_t measure_point(banyan_comm* comm, const CommShape& shape, const Traffic& traffic,
                       const WeightedOptions& options) {
  auto candidates = make_candidates(comm, traffic, shape.rank, options.capacity_factor);
  const auto times = time_candidates(comm, options, candidates);
  uint64_t wrong = 0;
  for (const auto& candidate : candidates) {
    for (int i = 0; i < options.sweep.checks; ++i) {
      candidate->prepare(static_cast<uint64_t>(i) + 1);
      candidate->run();
      wrong += candidate->count_wrong(static_cast<uint64_t>(i) + 1);
    }
  }
  wrong = sum(comm, wrong);
  if (shape.rank == 0) {
    fmt::print("{:>12} {:>12.1f} {:>12.1f} {:>12.1f} {:>18.2f} {:>14.2f} {:>7}\n", mean_bytes_per_pair(traffic),
               1e6 * times[0], 1e6 * times[1], 1e6 * times[2], ratio(times[1], times[2]), ratio(times[2], times[0]),
               wrong);
    std::fflush(stdout);
  }
  return wrong;
}

int run(const WeightedOptions& options) {
  banyan_comm_config config = BANYAN_COMM_CONFIG_INIT;
  config.profile_file = options.profile_file.empty() ? nullptr : options.profile_file.c_str();
  banyan_comm* handle = nullptr;
  require(banyan_comm_create_from_environment(&config, &handle), "banyan_comm_create_from_environment");
  const Comm comm(handle);
  const CommShape shape = shape_of(comm.get());
  if (shape.rank == 0) {
    fmt::print("# weighted_perf: {} ranks on {} hosts, capacities of {} times the counts, {} rounds of {} exchanges\n",
               shape.size, shape.num_hosts, options.capacity_factor, options.rounds, options.sweep.iterations);
    fmt::print("#{:>11} {:>12} {:>12} {:>12} {:>18} {:>14} {:>7}\n", "mean B", "known us", "exchanged us",
               "weighted us", "exchanged/weighted", "weighted/known", "#wrong");
  }
  uint64_t wrong = 0;
  for (const Traffic& traffic : variable_traffic(options.traffic, options.sweep, shape.size)) {
    wrong += measure_point(comm.get(), shape, traffic, options);
  }
  return wrong == 0 ? kExitOk : kExitFailed;
}

}  // namespace
}  // namespace banyan::perf

int main(int argc, char** argv) {
  using banyan::perf::UsageError;
  return banyan::perf::run_program("weighted_perf", [&] {
    banyan::perf::WeightedOptions options;
    const auto known = banyan::perf::known_options(options);
    const auto given = banyan::perf::parse_command_line(argc, argv, known);
    if (given.count("help") != 0) {
      fmt::print("{}", banyan::perf::help_text(known));
      return banyan::perf::kExitOk;
    }
    banyan::perf::check_sweep_options(options.sweep, given);
    if (options.rounds < 1 || options.rounds > 10000) {
      throw UsageError("--rounds must be 1 to 10000");
    }
    if (!(options.capacity_factor >= 1) || !std::isfinite(options.capacity_factor)) {
      throw UsageError("--capacity-factor must be at least 1");
    }
    return banyan::perf::run(options);
  });
}
