// SPDX-License-Identifier: Apache-2.0
// How much of a layer's exchange hides behind its experts when chunks overlap.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <sstream>

#include "common/exchange.hpp"
#include "common/failure.hpp"
#include "common/options.hpp"
#include "common/program.hpp"
#include "common/statistics.hpp"
#include "layer/layer_options.hpp"
#include "layer/values.hpp"
#include "pipeline.hpp"

namespace banyan::perf {
namespace {

namespace po = boost::program_options;

struct OverlapOptions {
  LayerTerms layer;
  size_t tokens = 512;
  std::vector<size_t> chunks{2, 4, 8, 0};
  double experts_us = 0;
  double ratio = 1;
  int rounds = 11;
  int warmup = 10;
  bool polls = false;
  double require_percent = 0;
  std::string profile_file;
};

po::options_description known_options(OverlapOptions& options) {
  po::options_description known("Options");
  auto add = known.add_options();
  add("tokens,t", po::value(&options.tokens)->default_value(options.tokens), "tokens of each rank");
  add("chunks,c", po::value(&options.chunks)->multitoken(), "numbers of chunks; 0: the model's choice (2 4 8 0)");
  add("experts-us", po::value(&options.experts_us), "time of the experts of a step; default: as long as the exchange");
  add("experts-ratio", po::value(&options.ratio)->default_value(options.ratio), "or this many times as long");
  add("polls", po::bool_switch(&options.polls), "no thread in the library: experts test requests now and then");
  add("rounds", po::value(&options.rounds)->default_value(options.rounds), "rounds of all ways, in turn");
  add("warmup_iters,w", po::value(&options.warmup)->default_value(options.warmup), "untimed steps of each way");
  add("require", po::value(&options.require_percent), "exit 1 if the best hides less of the exchange, in percent");
  add("profile", po::value(&options.profile_file), "measured profile, a file of banyan-profile");
  add("help,h", "this text");
  known.add(layer_options(options.layer));
  return known;
}

std::string help_text(const po::options_description& known) {
  std::ostringstream text;
  text << "usage: overlap_perf [OPTIONS]\n"
          "Times a step of a Mixture-of-Experts layer (dispatch, experts, combine; routing was made before) whose "
          "experts keep a\n"
          "core of each rank busy for a given time: one part after the other, and in chunks that overlap. Checks the "
          "sums.\n\n"
       << known
       << "\nExamples:\n"
          "  banyan-run -n 4 -- overlap_perf --tokens 128 --hidden 1024\n"
          "  banyan-lab run -- overlap_perf --chunks 4 8 0 --require 70\n\n"
          "Times are medians over rounds of the slowest rank, in us, p99 beside. hidden: how much shorter than in turn "
          "the step\n"
          "is, in percent of the exchange alone; with experts as long as the exchange at most 100. predicted: by the "
          "model, of\n"
          "a uniform gate. A thread of each rank moves rows: it wants a core of its own.\n";
  return text.str();
}

/// A way to make a step.
struct Contender {
  std::string name;
  Pipeline* pipeline;
  std::function<void()> run;
};

struct Times {
  double median_s = 0;
  double p99_s = 0;
};

/// Collective: rounds of all ways in turn.
std::vector<Times> time_all(banyan_comm* comm, const OverlapOptions& options, const std::vector<Contender>& ways) {
  std::vector<std::vector<double>> times(ways.size());
  for (int round = -options.warmup; round < options.rounds; ++round) {
    for (size_t n = 0; n < ways.size(); ++n) {
      require(banyan_comm_barrier(comm), "banyan_comm_barrier");
      const auto begin = std::chrono::steady_clock::now();
      ways[n].run();
      if (round >= 0) {
        times[n].push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
      }
    }
  }
  std::vector<Times> result;
  for (const auto& each : times) {
    const auto slowest = slowest_rank(gather(comm, each), each.size());
    result.push_back({median(slowest).value_or(0), percentile(slowest, 0.99).value_or(0)});
  }
  return result;
}

uint64_t count_wrong(banyan_comm* comm, const Layer& layer, int rank, const Contender& way) {
  std::fill(way.pipeline->combined().begin(), way.pipeline->combined().end(), std::byte{0xE7});
  way.run();
  return sum(comm, count_wrong(layer, rank, way.pipeline->combined(), way.pipeline->roundings()));
}

void print_line(const Contender& way, const Times& times, const std::string& hidden, uint64_t wrong) {
  const double predicted = way.pipeline->predicted_s();
  fmt::print("{:>12} {:>7} {:>12.1f} {:>12.1f} {:>12.1f} {:>8} {:>7}\n", way.name, way.pipeline->num_chunks(),
             1e6 * times.median_s, 1e6 * times.p99_s, 1e6 * predicted, hidden, wrong);
  std::fflush(stdout);
}

/// Experts as long as was asked for, or as the exchange takes.
double experts_time(banyan_comm* comm, const OverlapOptions& options, const Layer& layer, int rank) {
  if (options.experts_us > 0) {
    return 1e-6 * options.experts_us;
  }
  Pipeline alone(comm, layer, rank, {.num_chunks = 1, .experts_s = 0, .progress_thread = !options.polls});
  const auto times = time_all(comm, options, {{"exchange", &alone, [&] { alone.exchange(); }}});
  return options.ratio * times[0].median_s;
}

int measure(banyan_comm* comm, const CommShape& shape, const OverlapOptions& options) {
  LayerTerms terms = options.layer;
  terms.tokens = options.tokens;
  const Layer layer = make_layer(terms, shape.size);
  const double experts_s = experts_time(comm, options, layer, shape.rank);
  std::vector<std::unique_ptr<Pipeline>> pipelines;
  const auto add = [&](size_t num_chunks) {
    pipelines.push_back(std::make_unique<Pipeline>(
        comm, layer, shape.rank,
        PipelineTerms{.num_chunks = num_chunks, .experts_s = experts_s, .progress_thread = !options.polls}));
    return pipelines.back().get();
  };
  Pipeline* whole = add(1);
  std::vector<Contender> ways = {{"exchange", whole, [whole] { whole->exchange(); }},
                                 {"in turn", whole, [whole] { whole->in_turn(); }}};
  for (const size_t num_chunks : options.chunks) {
    Pipeline* pipeline = add(num_chunks);
    ways.push_back({num_chunks == 0 ? "model's" : "overlapped", pipeline, [pipeline] { pipeline->overlapped(); }});
  }
  if (shape.rank == 0) {
    fmt::print(
        "# overlap_perf: {} ranks on {} hosts, {} tokens, top {} of {} experts, hidden {} {}, experts {:.1f} us, "
        "{} rounds\n",
        shape.size, shape.num_hosts, layer.tokens, layer.top_k, layer.num_experts, layer.hidden, layer.dtype,
        1e6 * experts_s, options.rounds);
    fmt::print("#{:>11} {:>7} {:>12} {:>12} {:>12} {:>8} {:>7}\n", "way", "chunks", "median us", "p99 us", "predicted",
               "hidden %", "#wrong");
  }
  const auto times = time_all(comm, options, ways);
  uint64_t all_wrong = 0;
  double best = 0;
  for (size_t n = 0; n < ways.size(); ++n) {
    const uint64_t wrong = count_wrong(comm, layer, shape.rank, ways[n]);
    all_wrong += wrong;
    const double hidden = 100 * ratio(times[1].median_s - times[n].median_s, times[0].median_s);
    best = n >= 2 ? std::max(best, hidden) : best;
    if (shape.rank == 0) {
      print_line(ways[n], times[n], n >= 2 ? fmt::format("{:.1f}", hidden) : "-", wrong);
    }
  }
  if (best < options.require_percent && shape.rank == 0) {
    fmt::print("# missed: {:.1f} % of the exchange is hidden, {:.1f} % are required\n", best, options.require_percent);
  }
  return all_wrong == 0 && best >= options.require_percent ? kExitOk : kExitFailed;
}

int run(const OverlapOptions& options) {
  banyan_comm_config config = BANYAN_COMM_CONFIG_INIT;
  config.profile_file = options.profile_file.empty() ? nullptr : options.profile_file.c_str();
  banyan_comm* handle = nullptr;
  require(banyan_comm_create_from_environment(&config, &handle), "banyan_comm_create_from_environment");
  const Comm comm(handle);
  return measure(comm.get(), shape_of(comm.get()), options);
}

void check(const OverlapOptions& options) {
  if (options.rounds < 1 || options.rounds > 10000 || options.warmup < 0) {
    throw UsageError("--rounds must be 1 to 10000, --warmup_iters 0 or more");
  }
  if (options.tokens < 1 || options.tokens > (size_t{1} << 20)) {
    throw UsageError("--tokens must be 1 to 2^20");
  }
  if (!(options.experts_us >= 0 && options.experts_us <= 1e9) || !(options.ratio > 0 && options.ratio <= 1000)) {
    throw UsageError("--experts-us must be 0 to 1e9, --experts-ratio above 0 and at most 1000");
  }
  if (std::any_of(options.chunks.begin(), options.chunks.end(), [](size_t chunks) { return chunks > 64; })) {
    throw UsageError("--chunks must be 0 to 64 each");
  }
}

}  // namespace
}  // namespace banyan::perf

int main(int argc, char** argv) {
  return banyan::perf::run_program("overlap_perf", [&] {
    banyan::perf::OverlapOptions options;
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
