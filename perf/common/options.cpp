// SPDX-License-Identifier: Apache-2.0
#include "common/options.hpp"

#include <algorithm>
#include <cmath>

#include "common/failure.hpp"

namespace banyan::perf {
namespace po = boost::program_options;
namespace {

constexpr size_t kMaxSizes = 10000;
constexpr size_t kMaxBytes = size_t{1} << 40;

size_t whole_elements(size_t bytes, size_t element_size) { return bytes / element_size * element_size; }

/// The size after `size`; max when it would overflow.
size_t next_size(const SweepOptions& options, size_t size) {
  const size_t max = options.max_size.bytes;
  if (options.step.bytes != 0) {
    return size + std::min(options.step.bytes, max + 1);
  }
  const double grown = std::floor(static_cast<double>(size) * options.factor);
  if (grown > static_cast<double>(max)) {
    return max + 1;
  }
  return std::max(size + 1, static_cast<size_t>(grown));
}

}  // namespace

po::options_description size_options(SweepOptions& options) {
  po::options_description description("Sweep, as in nccl-tests");
  auto add = description.add_options();
  add("minbytes,b", po::value(&options.min_size)->default_value(options.min_size), "smallest size, bytes; k, M, G");
  add("maxbytes,e", po::value(&options.max_size)->default_value(options.max_size), "largest size");
  add("stepbytes,i", po::value(&options.step), "add this to get the next size (instead of -f)");
  add("stepfactor,f", po::value(&options.factor)->default_value(options.factor), "multiply to get the next size");
  add("check,c", po::value(&options.checks)->default_value(options.checks),
      "exchanges with data checked per size; 0 checks nothing");
  add("json,J", po::value(&options.json_file), "write all figures and the environment to this file");
  add("element-size", po::value(&options.element_size)->default_value(options.element_size), "bytes per element");
  return description;
}

po::options_description run_options(SweepOptions& options) {
  po::options_description description("Runs");
  auto add = description.add_options();
  add("iters,n", po::value(&options.iterations)->default_value(options.iterations), "timed exchanges per size");
  add("warmup_iters,w", po::value(&options.warmup)->default_value(options.warmup), "untimed exchanges before them");
  add("algorithm", po::value(&options.algorithm), "name of docs/algorithms.md (default: the model chooses)");
  add("oneshot", po::bool_switch(&options.oneshot), "plan in every call instead of once per size");
  return description;
}

void check_sweep_options(const SweepOptions& options, const po::variables_map& given) {
  const auto refuse = [](const std::string& text) { throw UsageError(text); };
  if (options.max_size.bytes > kMaxBytes) {
    refuse("-e must be at most " + format_size(kMaxBytes));
  }
  if (options.min_size.bytes > options.max_size.bytes) {
    refuse("-b " + format_size(options.min_size.bytes) + " is above -e " + format_size(options.max_size.bytes));
  }
  if (given.count("stepbytes") != 0 && !given["stepfactor"].defaulted()) {
    refuse("-i and -f exclude each other: a size is the last one plus -i, or times -f");
  }
  if (given.count("stepbytes") != 0 && options.step.bytes == 0) {
    refuse("-i 0 never reaches -e; give a step above 0");
  }
  if (!(options.factor > 1) || !std::isfinite(options.factor)) {
    refuse("-f must be above 1, else sizes never reach -e");
  }
  if (options.iterations < 1 || options.iterations > 1000000) {
    refuse("-n must be 1 to 1000000");
  }
  if (options.warmup < 0 || options.warmup > 1000000) {
    refuse("-w must be 0 to 1000000");
  }
  if (options.checks < 0 || options.checks > 1000000) {
    refuse("-c must be 0 to 1000000");
  }
  if (options.element_size == 0 || options.element_size > 4096) {
    refuse("--element-size must be 1 to 4096");
  }
}

std::vector<size_t> sweep_sizes(const SweepOptions& options) {
  std::vector<size_t> sizes;
  for (size_t size = options.min_size.bytes; size <= options.max_size.bytes; size = next_size(options, size)) {
    const size_t rounded = whole_elements(size, options.element_size);
    if (sizes.empty() || rounded != sizes.back()) {
      sizes.push_back(rounded);
    }
    if (sizes.size() > kMaxSizes) {
      throw UsageError("more than " + std::to_string(kMaxSizes) + " sizes; raise -i or -f");
    }
  }
  return sizes;
}

po::variables_map parse_command_line(int argc, const char* const* argv, const po::options_description& known) {
  po::variables_map given;
  try {
    const auto parsed =
        po::command_line_parser(argc, argv).options(known).positional(po::positional_options_description()).run();
    po::store(parsed, given);
    po::notify(given);
  } catch (const po::error& error) {
    throw UsageError(error.what());
  }
  return given;
}

}  // namespace banyan::perf
