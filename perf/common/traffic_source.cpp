// SPDX-License-Identifier: Apache-2.0
#include "common/traffic_source.hpp"

#include "common/environment.hpp"
#include "common/failure.hpp"
#include "planner/traffic_generators.hpp"

namespace banyan::perf {
namespace po = boost::program_options;
namespace {

Traffic read_matrix(const TrafficOptions& options, size_t element_size, int num_ranks) {
  const auto parsed = planner::parse_matrix(read_file(options.matrix_file));
  if (!parsed) {
    throw UsageError(parsed.describe("--matrix " + options.matrix_file));
  }
  const planner::TrafficMatrix& matrix = parsed.value(options.matrix_file);
  if (matrix.num_ranks != num_ranks) {
    throw UsageError("--matrix " + options.matrix_file + " is for " + std::to_string(matrix.num_ranks) +
                     " ranks, but " + std::to_string(num_ranks) + " run");
  }
  return matrix_traffic(num_ranks, matrix.bytes, element_size);
}

/// A spec without a size is run at every size of the sweep.
std::vector<Traffic> generate(const TrafficOptions& options, const SweepOptions& sweep, int num_ranks) {
  planner::TrafficSpec spec = planner::parse_traffic_spec(options.generator, options.seed);
  const std::vector<size_t> sizes =
      spec.average_bytes ? std::vector<size_t>{static_cast<size_t>(*spec.average_bytes)} : sweep_sizes(sweep);
  std::vector<Traffic> points;
  for (const size_t size : sizes) {
    spec.average_bytes = size;
    points.push_back(matrix_traffic(num_ranks, planner::generate_traffic(spec, num_ranks).bytes, sweep.element_size));
  }
  return points;
}

}  // namespace

po::options_description traffic_options(TrafficOptions& options) {
  po::options_description description("Counts of an all-to-all-v (default: equal); SPEC of --gen is one of\n" +
                                      planner::traffic_spec_help() + "and without a size runs at each of the sweep");
  auto add = description.add_options();
  add("matrix", po::value(&options.matrix_file), "bytes from each rank (row) to each rank, a file as nccl-tests reads");
  add("gen", po::value(&options.generator), "generated counts");
  add("seed", po::value(&options.seed)->default_value(options.seed), "of --gen");
  return description;
}

std::vector<Traffic> variable_traffic(const TrafficOptions& options, const SweepOptions& sweep, int num_ranks) {
  if (!options.matrix_file.empty() && !options.generator.empty()) {
    throw UsageError("--matrix and --gen exclude each other");
  }
  if (!options.matrix_file.empty()) {
    return {read_matrix(options, sweep.element_size, num_ranks)};
  }
  try {
    if (!options.generator.empty()) {
      return generate(options, sweep, num_ranks);
    }
  } catch (const Error& error) {
    throw UsageError("--gen " + options.generator + ": " + error.what());
  }
  std::vector<Traffic> points;
  for (const size_t size : sweep_sizes(sweep)) {
    points.push_back(uniform_traffic(num_ranks, size, sweep.element_size, true));
  }
  return points;
}

}  // namespace banyan::perf
