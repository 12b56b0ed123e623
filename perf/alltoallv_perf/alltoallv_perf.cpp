// SPDX-License-Identifier: Apache-2.0
#include "common/perf_main.hpp"
#include "common/traffic_source.hpp"

int main(int argc, char** argv) {
  banyan::perf::TrafficOptions traffic;
  banyan::perf::PerfProgram program;
  program.name = "alltoallv_perf";
  program.summary =
      "Times Banyan's all-to-all-v on a matrix from a file, on generated or on equal counts; checks the data.";
  program.options.add(banyan::perf::traffic_options(traffic));
  program.points = [&traffic](const banyan::perf::SweepOptions& options, int num_ranks) {
    return banyan::perf::variable_traffic(traffic, options, num_ranks);
  };
  return banyan::perf::perf_main(argc, argv, program);
}
