// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace banyan_run {

/// What the command line asks for. A value.
struct Options {
  std::optional<int> ranks;
  std::optional<std::string> lab;  ///< name of the lab to run in
  std::optional<double> timeout_s;
  bool tag_output = false;
  bool keep_going = false;
  std::vector<std::pair<std::string, std::string>> variables;
  std::optional<int> kill_rank;
  double kill_after_s = 1;
  std::optional<std::string> preload;  ///< "mpi", "openmpi", "mpich" or "nccl"
  std::vector<std::string> command;
};

/// nullopt after --help or --version was printed; std::runtime_error with what is wrong.
[[nodiscard]] std::optional<Options> parse_options(int argc, char** argv);

}  // namespace banyan_run
