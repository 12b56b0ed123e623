// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/program_options.hpp>
#include <string>
#include <vector>

#include "common/size_text.hpp"

namespace banyan::perf {

/// The options that every benchmark here shares, named as in nccl-tests.
struct SweepOptions {
  SizeArgument min_size{8};           ///< -b
  SizeArgument max_size{256 * 1024};  ///< -e
  SizeArgument step{0};               ///< -i; 0: sizes grow by `factor`
  double factor = 2;                  ///< -f
  int iterations = 20;                ///< -n, timed
  int warmup = 5;                     ///< -w, untimed
  int checks = 1;                     ///< -c, exchanges whose data are checked after timing; 0: none
  size_t element_size = 1;            ///< bytes of one element
  bool oneshot = false;               ///< one-shot calls instead of a persistent request
  std::string algorithm;              ///< empty: the library's choice
  std::string json_file;              ///< -J; empty: none
};

/// -b -e -i -f -c -J --element-size; they set `options`, which must outlive the parse.
[[nodiscard]] boost::program_options::options_description size_options(SweepOptions& options);
/// -n -w --algorithm --oneshot; likewise.
[[nodiscard]] boost::program_options::options_description run_options(SweepOptions& options);

/// UsageError names the first value that makes no sense.
void check_sweep_options(const SweepOptions& options, const boost::program_options::variables_map& given);

/// Sizes from -b to -e, ascending and distinct, each rounded down to whole elements; never empty, at most 10000.
[[nodiscard]] std::vector<size_t> sweep_sizes(const SweepOptions& options);

/// Parses argv; UsageError on anything that `known` does not have.
[[nodiscard]] boost::program_options::variables_map parse_command_line(
    int argc, const char* const* argv, const boost::program_options::options_description& known);

}  // namespace banyan::perf
