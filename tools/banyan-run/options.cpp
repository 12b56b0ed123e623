// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include <banyan/types.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <cstdlib>
#include <iostream>
#include <stdexcept>

namespace banyan_run {
namespace {

namespace po = boost::program_options;

constexpr int kMaxRanks = 65536;

constexpr const char* kUsage = R"(usage: banyan-run -n N [OPTIONS] -- PROGRAM [ARGUMENTS]

Starts N ranks of PROGRAM on this machine, or over the nodes of a lab (tools/lab), and waits for them. A program that calls
banyan_comm_create_from_environment needs nothing else; banyan-run makes a fresh job secret for every run.
)";

constexpr const char* kDetails = R"(
When a rank fails, its name and exit code or signal are printed, the others get SIGTERM, and SIGKILL after 2 s.
Signals (INT, TERM, HUP, QUIT, USR1, USR2) are passed on to all ranks. The ranks' stdin is empty.

The exit code is that of the first rank that failed (128 + the signal's number if a signal ended it), 124 after
--timeout, 2 for a wrong command line, else 0. A rank that --kill-rank ended does not count as failed.

Examples:
  banyan-run -n 8 -- ./my_program --size 1M
  banyan-run -n 4 --tag-output -x BANYAN_LOG=info -- ./my_program
  banyan-run --lab --timeout 60 -- alltoall_perf -b 1K -e 1M         one rank per slot of the lab "banyan"
  banyan-run -n 4 --preload mpi -- ./mpi_program                     MPI's all-to-alls by Banyan
  banyan-run -n 1 --preload nccl -x BANYAN_PRELOAD=observe -- torchrun --nproc-per-node 8 train.py
  banyan-run -n 8 --kill-rank 3 --after 2 -- ./my_program            do the other seven notice?
)";

po::options_description describe() {
  po::options_description options("Options");
  options.add_options()                                                                                           //
      ("ranks,n", po::value<int>(), "number of ranks; with --lab one per slot if not given")                      //
      ("lab", po::value<std::string>()->implicit_value("banyan"), "run over the nodes of this lab (needs root)")  //
      ("timeout", po::value<double>(), "end the job after this many seconds, exit code 124")                      //
      ("tag-output", "begin every line of output with [rank]")                                                    //
      ("export,x", po::value<std::vector<std::string>>(),
       "NAME=VALUE: set a variable for the ranks; NAME: pass it "  //
       "on (all are)")                                             //
      ("preload", po::value<std::string>(),
       "mpi: PROGRAM knows MPI and not Banyan; start it with its MPI's launcher and the "  //
       "library that makes its all-to-alls with Banyan (docs/preload.md). openmpi or mpich "
       "where its libraries do not tell, as of scripts. nccl: PROGRAM, or a launcher such as torchrun, with the "
       "library "
       "that looks at what it exchanges through NCCL (docs/preload-nccl.md)")                    //
      ("keep-going", "let the other ranks finish when one fails")                                //
      ("kill-rank", po::value<int>(), "kill this rank with SIGKILL, to see what the others do")  //
      ("after", po::value<double>(), "... after this many seconds (default 1)")                  //
      ("help,h", "print this")                                                                   //
      ("version", "print the version");
  return options;
}

std::pair<std::string, std::string> read_variable(const std::string& text) {
  const size_t equals = text.find('=');
  const std::string name = text.substr(0, equals);
  if (name.empty()) {
    throw std::runtime_error("-x \"" + text + "\": expected NAME or NAME=VALUE");
  }
  if (equals != std::string::npos) {
    return {name, text.substr(equals + 1)};
  }
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) {
    throw std::runtime_error("-x " + name + ": no such variable is set");
  }
  return {name, value};
}

std::optional<double> read_seconds(const po::variables_map& values, const char* name) {
  if (values.count(name) == 0) {
    return std::nullopt;
  }
  const double seconds = values[name].as<double>();
  if (!(seconds >= 0) || seconds > 1e9) {
    throw std::runtime_error(std::string("--") + name + ": expected a number of seconds");
  }
  return seconds;
}

/// What an MPI's launcher does in its own way, or not at all.
void check_preload(const Options& options) {
  if (*options.preload == "nccl") {
    return;  // no launcher comes between
  }
  if (*options.preload != "mpi" && *options.preload != "openmpi" && *options.preload != "mpich") {
    throw std::runtime_error("--preload " + *options.preload + ": expected mpi, openmpi, mpich or nccl");
  }
  if (options.lab || options.timeout_s || options.tag_output || options.keep_going || options.kill_rank) {
    throw std::runtime_error("--preload: only -n and -x go with it; the rest is the MPI's launcher's");
  }
}

void check(const Options& options) {
  if (options.preload) {
    check_preload(options);
  }
  if (options.command.empty()) {
    throw std::runtime_error("no program to run; it comes after \"--\": banyan-run -n N -- PROGRAM [ARGUMENTS]");
  }
  if (!options.ranks && !options.lab) {
    throw std::runtime_error("how many ranks? give -n N");
  }
  if (options.ranks && (*options.ranks < 1 || *options.ranks > kMaxRanks)) {
    throw std::runtime_error("-n " + std::to_string(*options.ranks) + ": expected 1 to " + std::to_string(kMaxRanks));
  }
  if (options.kill_rank && (*options.kill_rank < 0 || (options.ranks && *options.kill_rank >= *options.ranks))) {
    throw std::runtime_error("--kill-rank " + std::to_string(*options.kill_rank) + ": there is no such rank");
  }
}

}  // namespace

std::optional<Options> parse_options(int argc, char** argv) {
  const std::vector<std::string> all(argv + 1, argv + argc);
  const auto separator = std::find(all.begin(), all.end(), "--");
  const po::options_description description = describe();
  po::variables_map values;
  try {
    const std::vector<std::string> own(all.begin(), separator);
    po::store(po::command_line_parser(own).options(description).run(), values);
  } catch (const po::too_many_positional_options_error&) {
    throw std::runtime_error("put -- before the program: banyan-run -n N -- PROGRAM [ARGUMENTS]");
  }
  if (values.count("help") != 0) {
    std::cout << kUsage << '\n' << description << kDetails;
    return std::nullopt;
  }
  if (values.count("version") != 0) {
    std::cout << "banyan-run " << BANYAN_VERSION_MAJOR << '.' << BANYAN_VERSION_MINOR << '.' << BANYAN_VERSION_PATCH
              << '\n';
    return std::nullopt;
  }
  Options options;
  if (values.count("ranks") != 0) {
    options.ranks = values["ranks"].as<int>();
  }
  if (values.count("preload") != 0) {
    options.preload = values["preload"].as<std::string>();
  }
  if (values.count("lab") != 0) {
    options.lab = values["lab"].as<std::string>();
  }
  options.timeout_s = read_seconds(values, "timeout");
  options.tag_output = values.count("tag-output") != 0;
  options.keep_going = values.count("keep-going") != 0;
  if (values.count("export") != 0) {
    for (const std::string& text : values["export"].as<std::vector<std::string>>()) {
      options.variables.push_back(read_variable(text));
    }
  }
  if (values.count("kill-rank") != 0) {
    options.kill_rank = values["kill-rank"].as<int>();
  }
  options.kill_after_s = read_seconds(values, "after").value_or(1);
  options.command.assign(separator == all.end() ? separator : separator + 1, all.end());
  check(options);
  return options;
}

}  // namespace banyan_run
