// SPDX-License-Identifier: Apache-2.0
// Dispatch and combine of a Mixture-of-Experts layer: the token exchange beside a row for each choice.
#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <random>
#include <sstream>

#include "common/exchange.hpp"
#include "common/failure.hpp"
#include "common/options.hpp"
#include "common/program.hpp"
#include "common/size_text.hpp"
#include "common/statistics.hpp"
#include "layer/group_way.hpp"
#include "layer/layer_options.hpp"
#include "layer/least_rows.hpp"
#include "layer/rows_way.hpp"
#include "layer/values.hpp"

namespace banyan::perf {
namespace {

namespace po = boost::program_options;

struct DispatchOptions {
  LayerTerms layer;
  std::vector<size_t> tokens{512};
  int rounds = 11;
  int warmup = 20;
  std::string bound_rate;
  double bound_bytes_per_s = 0;
  std::string profile_file;
};

po::options_description known_options(DispatchOptions& options) {
  po::options_description known("Options");
  auto add = known.add_options();
  add("tokens,t", po::value(&options.tokens)->multitoken(), "tokens of each rank; several: a line for each (512)");
  add("rounds", po::value(&options.rounds)->default_value(options.rounds), "rounds of all ways, in random order");
  add("warmup_iters,w", po::value(&options.warmup)->default_value(options.warmup), "untimed steps of each way");
  add("bound-rate", po::value(&options.bound_rate), "rate of every host's network, e.g. 1gbit: bound of the links");
  add("profile", po::value(&options.profile_file), "measured profile, a file of banyan-profile");
  add("help,h", "this text");
  known.add(layer_options(options.layer));
  return known;
}

std::string help_text(const po::options_description& known) {
  std::ostringstream text;
  text << "usage: dispatch_perf [OPTIONS]\n"
          "Times routing, dispatch and combine of a Mixture-of-Experts layer in several ways, in turn in one run, and "
          "checks\n"
          "the sums. 'rows' is what programs do without a token exchange: a row for each choice, counts exchanged, "
          "all-to-all-v\n"
          "of rows, and back. The others are banyan/moe.h with that dedup.\n\n"
       << known
       << "\nExamples:\n"
          "  banyan-run -n 4 -- dispatch_perf --tokens 8 128 --hidden 1024\n"
          "  banyan-lab run -- dispatch_perf --bound-rate 1gbit\n"
          "  banyan-lab mpirun -- dispatch_compare --help   beside MPI_Alltoallv, in one run\n\n"
          "Times are medians over rounds of the slowest rank, in us. wire MB: rows that a dispatch sends to other "
          "hosts, all\n"
          "ranks together; %bound: least time of the hosts' links for dispatch and combine with each row once per "
          "host, of the\n"
          "sum's time; x rows: how many times faster than 'rows'.\n";
  return text.str();
}

/// Medians over rounds of the slowest rank's parts and sum.
struct Times {
  double route_s = 0, dispatch_s = 0, combine_s = 0, sum_s = 0;
};

/// Collective: rounds of all ways in turn. Each round has one order, equal on all ranks.
std::vector<Times> time_ways(banyan_comm* comm, const DispatchOptions& options,
                             const std::vector<std::unique_ptr<Way>>& ways) {
  for (const auto& way : ways) {
    for (int step = 0; step < options.warmup; ++step) {
      static_cast<void>(time_step(*way));
    }
  }
  std::mt19937 random(1);  // NOLINT(bugprone-random-generator-seed,cert-msc51-cpp): the same on all ranks
  std::vector<std::vector<double>> parts(4 * ways.size());
  std::vector<size_t> order(ways.size());
  for (size_t n = 0; n < order.size(); ++n) {
    order[n] = n;
  }
  for (int round = 0; round < options.rounds; ++round) {
    std::shuffle(order.begin(), order.end(), random);
    for (const size_t n : order) {
      require(banyan_comm_barrier(comm), "banyan_comm_barrier");
      const StepTime time = time_step(*ways[n]);
      parts[4 * n].push_back(time.route_s);
      parts[4 * n + 1].push_back(time.dispatch_s);
      parts[4 * n + 2].push_back(time.combine_s);
      parts[4 * n + 3].push_back(time.step_s());
    }
  }
  std::vector<double> medians;
  for (const auto& times : parts) {
    medians.push_back(median(slowest_rank(gather(comm, times), times.size())).value_or(0));
  }
  std::vector<Times> result;
  for (size_t n = 0; n < ways.size(); ++n) {
    result.push_back({medians[4 * n], medians[4 * n + 1], medians[4 * n + 2], medians[4 * n + 3]});
  }
  return result;
}

double bound_s(const DispatchOptions& options, const Layer& layer, const CommShape& shape) {
  if (options.bound_bytes_per_s <= 0) {
    return 0;
  }
  const LayerBound bound = bound_of(layer, shape.host_of, host_groups(shape.host_of, options.bound_bytes_per_s));
  return bound.dispatch_s + bound.combine_s;
}

std::vector<std::unique_ptr<Way>> make_ways(banyan_comm* comm, const CommShape& shape, const Layer& layer) {
  std::vector<std::unique_ptr<Way>> ways;
  ways.push_back(make_rows_way(make_banyan_carrier(comm, layer), layer, shape.host_of, shape.rank));
  for (const int dedup : {BANYAN_MOE_DEDUP_AUTO, BANYAN_MOE_DEDUP_RANK, BANYAN_MOE_DEDUP_NODE, BANYAN_MOE_DEDUP_TIER}) {
    ways.push_back(make_group_way(comm, layer, dedup));
  }
  return ways;
}

/// The lines of one layer; returns the elements that were wrong, over all ranks.
uint64_t measure(banyan_comm* comm, const CommShape& shape, const DispatchOptions& options, const Layer& layer) {
  const auto ways = make_ways(comm, shape, layer);
  const auto times = time_ways(comm, options, ways);
  const double bound = bound_s(options, layer, shape);
  uint64_t all_wrong = 0;
  for (size_t n = 0; n < ways.size(); ++n) {
    whole_step(*ways[n]);
    const uint64_t wrong = sum(comm, count_wrong(layer, shape.rank, ways[n]->combined(), ways[n]->roundings()));
    const uint64_t wire_rows = sum(comm, ways[n]->wire_rows());
    all_wrong += wrong;
    if (shape.rank == 0) {
      fmt::print("{:>8} {:>10} {:>10.1f} {:>10.1f} {:>10.1f} {:>10.1f} {:>9.2f} {:>7.1f} {:>7.2f} {:>7}\n",
                 layer.tokens, ways[n]->name(), 1e6 * times[n].route_s, 1e6 * times[n].dispatch_s,
                 1e6 * times[n].combine_s, 1e6 * times[n].sum_s,
                 1e-6 * static_cast<double>(wire_rows * layer.row_bytes()), 100 * ratio(bound, times[n].sum_s),
                 ratio(times[0].sum_s, times[n].sum_s), wrong);
      std::fflush(stdout);
    }
  }
  return all_wrong;
}

int run(DispatchOptions& options) {
  banyan_comm_config config = BANYAN_COMM_CONFIG_INIT;
  config.profile_file = options.profile_file.empty() ? nullptr : options.profile_file.c_str();
  banyan_comm* handle = nullptr;
  require(banyan_comm_create_from_environment(&config, &handle), "banyan_comm_create_from_environment");
  const Comm comm(handle);
  const CommShape shape = shape_of(comm.get());
  const LayerTerms& terms = options.layer;
  static_cast<void>(make_layer(terms, shape.size));  // what is wrong with it, before anything is printed
  if (shape.rank == 0) {
    fmt::print("# dispatch_perf: {} ranks on {} hosts, top {} of {} experts, hidden {} {}, zipf {}, {} rounds\n",
               shape.size, shape.num_hosts, terms.top_k, terms.num_experts, terms.hidden, terms.dtype, terms.zipf,
               options.rounds);
    fmt::print("#{:>7} {:>10} {:>10} {:>10} {:>10} {:>10} {:>9} {:>7} {:>7} {:>7}\n", "tokens", "way", "route us",
               "disp. us", "comb. us", "sum us", "wire MB", "%bound", "x rows", "#wrong");
  }
  uint64_t wrong = 0;
  for (const size_t tokens : options.tokens) {
    options.layer.tokens = tokens;
    wrong += measure(comm.get(), shape, options, make_layer(options.layer, shape.size));
  }
  return wrong == 0 ? kExitOk : kExitFailed;
}

void check(DispatchOptions& options) {
  if (options.rounds < 1 || options.rounds > 10000 || options.warmup < 0) {
    throw UsageError("--rounds must be 1 to 10000, --warmup_iters 0 or more");
  }
  for (const size_t tokens : options.tokens) {
    if (tokens < 1 || tokens > (size_t{1} << 20)) {
      throw UsageError("--tokens must be 1 to 2^20");
    }
  }
  if (!options.bound_rate.empty()) {
    options.bound_bytes_per_s = parse_rate_bytes_per_s(options.bound_rate).value_or(0);
    if (!(options.bound_bytes_per_s > 0)) {
      throw UsageError("--bound-rate " + options.bound_rate + " is not a rate such as 1gbit, 250mbit or 125mbps");
    }
  }
}

}  // namespace
}  // namespace banyan::perf

int main(int argc, char** argv) {
  return banyan::perf::run_program("dispatch_perf", [&] {
    banyan::perf::DispatchOptions options;
    const auto known = banyan::perf::known_options(options);
    const auto given = banyan::perf::parse_command_line(argc, argv, known);
    if (given.count("help") != 0) {
      fmt::print("{}", banyan::perf::help_text(known));
      return banyan::perf::kExitOk;
    }
    banyan::perf::check(options);
    return banyan::perf::run(options);
  });
}
