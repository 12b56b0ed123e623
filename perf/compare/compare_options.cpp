// SPDX-License-Identifier: Apache-2.0
#include "compare/compare_options.hpp"

#include <sstream>

#include "common/failure.hpp"

namespace banyan::perf {
namespace po = boost::program_options;
namespace {

po::options_description all_options(CompareOptions& options) {
  po::options_description own("Comparison");
  auto add = own.add_options();
  add("help,h", "this text");
  add("alltoallv", po::bool_switch(&options.variable), "all-to-all-v of equal counts instead of an all-to-all");
  add("rounds", po::value(&options.rounds.rounds)->default_value(options.rounds.rounds), "rounds per size");
  add("round-ms", po::value(&options.min_round_ms)->default_value(options.min_round_ms),
      "milliseconds that a round lasts at least, by repeating the exchange");
  add("point-s", po::value(&options.rounds.max_point_s),
      "after this many seconds at a size begin no new round, but have 3 at least");
  add("steady", po::value(&options.steady_percent),
      "where a median near the fastest is less certain than this many percent (standard error), up to three times the "
      "rounds and seconds");
  add("algorithm", po::value(&options.algorithms)->composing(), "also measure this algorithm of Banyan (repeatable)");
  add("mpi-algorithm", po::value(&options.mpi_algorithms)->composing(),
      "of Open MPI measure only this algorithm of coll/tuned, or \"default\" (repeatable)");
  add("mpich", po::value(&options.mpich_sockets),
      "also measure MPICH: folder where an mpich_compare on the same hosts listens (its --sockets)");
  add("preloaded", po::bool_switch(&options.with_preloaded),
      "also measure MPI's functions as a program calls them, under Banyan's preload library, which must be loaded");
  add("no-banyan", "measure Open MPI alone, or with MPICH");
  add("bars", "judge each size by the bars of docs/performance.md, which are for idle cores");
  add("profile", po::value(&options.profile_file), "profile file of banyan-profile for Banyan's model");
  add("bound-rate", po::value(&options.bound_rate), "rate of every host's network, e.g. 1gbit: bound of the links");
  add("lab-json", po::value(&options.lab_json_file), "output of 'banyan-lab describe --json': rates for the bound");
  add("label", po::value(&options.label), "name of this run in JSON and CSV");
  add("csv", po::value(&options.csv_file), "write one line per size and candidate to this file");
  add("budget-s", po::value(&options.budget_s), "start no new size after this many seconds; those left are named");
  own.add(size_options(options.sweep)).add(traffic_options(options.traffic));
  return own;
}

void check(const CompareOptions& options) {
  if (options.rounds.rounds < 1 || options.rounds.rounds > 100000) {
    throw UsageError("--rounds must be 1 to 100000");
  }
  if (!(options.min_round_ms >= 0) || options.min_round_ms > 60000) {
    throw UsageError("--round-ms must be 0 to 60000");
  }
  if (!(options.rounds.max_point_s >= 0)) {
    throw UsageError("--point-s must not be negative");
  }
  if (!(options.steady_percent >= 0)) {
    throw UsageError("--steady must not be negative");
  }
  if (!options.bound_rate.empty() && !parse_rate_bytes_per_s(options.bound_rate)) {
    throw UsageError("--bound-rate " + options.bound_rate + " is not a rate such as 1gbit, 250mbit or 125mbps");
  }
  if (!options.bound_rate.empty() && !options.lab_json_file.empty()) {
    throw UsageError("--bound-rate and --lab-json exclude each other");
  }
}

}  // namespace

CompareOptions parse_compare_options(int argc, const char* const* argv) {
  CompareOptions options;
  const auto given = parse_command_line(argc, argv, all_options(options));
  options.help = given.count("help") != 0;
  options.with_banyan = given.count("no-banyan") == 0;
  options.with_bars = given.count("bars") != 0;
  options.variable = options.variable || !options.traffic.matrix_file.empty() || !options.traffic.generator.empty();
  options.rounds.checks = options.sweep.checks;
  options.rounds.steady = options.steady_percent / 100;
  options.rounds.min_round_s = options.min_round_ms / 1000;
  check_sweep_options(options.sweep, given);
  check(options);
  return options;
}

std::string compare_help() {
  CompareOptions options;
  std::ostringstream text;
  text << "usage: mpirun -n N mpi_compare [OPTIONS]\n"
          "Every Open MPI all-to-all algorithm and Banyan, with --mpich MPICH's too, in one run, interleaved round by "
          "round.\n"
          "docs/performance.md tells how to read the table.\n\n"
       << all_options(options)
       << "\nExamples:\n"
          "  mpirun -n 16 mpi_compare -b 8 -e 256k -f 8 --bound-rate 10gbit   on a cluster, with the bound of its "
          "cards\n"
          "  mpirun -n 16 mpi_compare --gen moe -b 512 -e 64k --profile profile.json -J moe.json\n"
          "  banyan-lab mpirun -- mpi_compare --lab-json lab.json             in a lab; its rates: banyan-lab describe "
          "--json\n"
          "  mpirun -n 16 mpi_compare --mpi-algorithm pairwise --algorithm direct   two algorithms against each other\n"
          "  mpirun -n 16 -x LD_PRELOAD=libbanyan_preload_openmpi.so mpi_compare --preloaded   what programs get of "
          "Banyan\n";
  return text.str();
}

}  // namespace banyan::perf
