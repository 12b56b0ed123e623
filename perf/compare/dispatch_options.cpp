// SPDX-License-Identifier: Apache-2.0
#include "compare/dispatch_options.hpp"

#include <sstream>

#include "common/failure.hpp"
#include "common/options.hpp"
#include "common/size_text.hpp"
#include "layer/group_way.hpp"
#include "layer/layer_options.hpp"

namespace banyan::perf {
namespace po = boost::program_options;
namespace {

po::options_description all_options(DispatchCompareOptions& options) {
  po::options_description own("Comparison");
  auto add = own.add_options();
  add("help,h", "this text");
  add("tokens,t", po::value(&options.tokens)->multitoken(), "tokens of each rank; several: lines for each (512)");
  add("groups", po::value(&options.groups)->default_value(options.groups),
      "expert-parallel groups that are at work at once: group g has ranks g, g + N, g + 2 N, ..., and all experts");
  add("dedup", po::value(&options.dedups)->composing(),
      "a token exchange with this dedup: auto, none, rank, node, tier (repeatable; auto)");
  add("targets", po::value(&options.targets),
      "the gate follows the targets of banyan/targets.h: closed, exact, or budgeted:X, with a budget of even "
      "dispatch's "
      "time / X; and each token exchange is also measured on the even gate");
  add("no-rows", "leave out a row for each choice over Banyan");
  add("no-mpi", "leave out MPI's ways");
  add("mpi-algorithm", po::value(&options.mpi_algorithms)->composing(),
      "of Open MPI measure only this algorithm of coll/tuned, or \"default\" (repeatable)");
  add("rounds", po::value(&options.steps.rounds)->default_value(options.steps.rounds), "rounds of all ways");
  add("round-ms", po::value(&options.min_round_ms)->default_value(options.min_round_ms),
      "milliseconds that a round lasts at least, by repeating the step");
  add("point-s", po::value(&options.steps.max_point_s),
      "after this many seconds at a number of tokens begin no new round, but have 3 at least");
  add("settle-s", po::value(&options.steps.max_settle_s)->default_value(options.steps.max_settle_s),
      "seconds that a library may try ways before the rounds");
  add("profile", po::value(&options.profile_file), "profile file of banyan-profile for Banyan's model");
  add("bound-rate", po::value(&options.bound_rate), "rate of every host's network, e.g. 1gbit: bound of the links");
  add("lab-json", po::value(&options.lab_json_file), "output of 'banyan-lab describe --json': rates for the bound");
  add("label", po::value(&options.label), "name of this run in JSON");
  add("json,J", po::value(&options.json_file), "write results, with every step's time, to this file");
  add("budget-s", po::value(&options.budget_s), "start no new number of tokens after this many seconds");
  own.add(layer_options(options.layer));
  return own;
}

void check(const DispatchCompareOptions& options) {
  if (options.steps.rounds < 1 || options.steps.rounds > 10000) {
    throw UsageError("--rounds must be 1 to 10000");
  }
  if (!(options.min_round_ms >= 0) || options.min_round_ms > 60000) {
    throw UsageError("--round-ms must be 0 to 60000");
  }
  if (!(options.steps.max_point_s >= 0) || !(options.steps.max_settle_s >= 0)) {
    throw UsageError("--point-s and --settle-s must not be negative");
  }
  if (!options.bound_rate.empty() && !parse_rate_bytes_per_s(options.bound_rate)) {
    throw UsageError("--bound-rate " + options.bound_rate + " is not a rate such as 1gbit, 250mbit or 125mbps");
  }
  if (!options.bound_rate.empty() && !options.lab_json_file.empty()) {
    throw UsageError("--bound-rate and --lab-json exclude each other");
  }
  if (options.groups < 1) {
    throw UsageError("--groups must be 1 or more");
  }
  if (options.groups > 1 && !options.targets.empty()) {
    throw UsageError("--groups and --targets exclude each other");
  }
  for (const std::string& dedup : options.dedups) {
    static_cast<void>(parse_dedup(dedup));
  }
}

}  // namespace

DispatchCompareOptions parse_dispatch_options(int argc, const char* const* argv) {
  DispatchCompareOptions options;
  const auto given = parse_command_line(argc, argv, all_options(options));
  options.help = given.count("help") != 0;
  options.with_rows = given.count("no-rows") == 0;
  options.with_mpi = given.count("no-mpi") == 0;
  if (options.dedups.empty()) {
    options.dedups = {"auto"};
  }
  options.steps.min_round_s = options.min_round_ms / 1000;
  check(options);
  return options;
}

std::string dispatch_compare_help() {
  DispatchCompareOptions options;
  std::ostringstream text;
  text << "usage: mpirun -n N dispatch_compare [OPTIONS]\n"
          "A Mixture-of-Experts layer's routing, dispatch and combine through Banyan's token exchange, beside what a "
          "user does\n"
          "without one: a row for each choice, packed by rank, counts by MPI_Alltoall, rows by MPI_Alltoallv with each "
          "of Open\n"
          "MPI's algorithms, copied into expert order, and back to weighted sums. One run, interleaved round by round; "
          "sums are\n"
          "checked against fp64 on all ranks. docs/performance.md tells how to read the table.\n\n"
       << all_options(options)
       << "\nExamples:\n"
          "  banyan-lab mpirun -- dispatch_compare --lab-json lab.json --profile profile.json   rates: banyan-lab "
          "describe --json\n"
          "  mpirun -n 16 dispatch_compare --tokens 8 128 512 --bound-rate 10gbit -J dispatch.json\n"
          "  mpirun -n 16 dispatch_compare --dedup auto --dedup none --dedup rank --zipf 1 --replicas 8\n"
          "  mpirun -n 16 dispatch_compare --targets budgeted:3 --dedup none --no-rows --no-mpi --profile "
          "profile.json\n\n"
          "Times are medians of the slowest rank, p99 of its steps, in us. logic MB: a row for each choice there and "
          "back;\nwire MB: what the hosts' interfaces sent for dispatch and combine; formula: rows that the way sends "
          "to other hosts\ntimes their bytes; quot.: wire / formula; bound: no link carries a row twice; %bound: bound "
          "/ step; x MPI: the best\nMPI way's step / this one's.\n";
  return text.str();
}

}  // namespace banyan::perf
