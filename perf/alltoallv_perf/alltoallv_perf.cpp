// SPDX-License-Identifier: Apache-2.0
#include "common/perf_main.hpp"
#include "common/traffic_source.hpp"

int main(int argc, char** argv) {
  banyan::perf::TrafficOptions traffic;
  banyan::perf::PerfProgram program;
  program.name = "alltoallv_perf";
  program.summary =
      "Times Banyan's all-to-all-v on a matrix from a file, on generated or on equal counts; checks the data.";
  program.examples =
      "  banyan-run -n 4 -- alltoallv_perf --gen moe -b 512 -e 64k -f 4   MoE-shaped counts of growing mean\n"
      "  mpirun -n 16 alltoallv_perf --matrix counts.txt --explain        the traffic of your own model\n"
      "  banyan-lab run -- alltoallv_perf -b 64 -e 64                     equal counts\n";
  program.options.add(banyan::perf::traffic_options(traffic));
  program.points = [&traffic](const banyan::perf::SweepOptions& options, int num_ranks) {
    return banyan::perf::variable_traffic(traffic, options, num_ranks);
  };
  return banyan::perf::perf_main(argc, argv, program);
}
