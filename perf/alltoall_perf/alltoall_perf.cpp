// SPDX-License-Identifier: Apache-2.0
#include "common/perf_main.hpp"

namespace {

std::vector<banyan::perf::Traffic> uniform_points(const banyan::perf::SweepOptions& options, int num_ranks) {
  std::vector<banyan::perf::Traffic> points;
  for (const size_t size : banyan::perf::sweep_sizes(options)) {
    points.push_back(banyan::perf::uniform_traffic(num_ranks, size, options.element_size));
  }
  return points;
}

}  // namespace

int main(int argc, char** argv) {
  banyan::perf::PerfProgram program;
  program.name = "alltoall_perf";
  program.summary = "Times Banyan's all-to-all over a range of sizes, checks the data, and compares with the bound.";
  program.examples =
      "  banyan-run -n 4 -- alltoall_perf -b 8 -e 1M -f 4              ranks of this machine\n"
      "  mpirun -n 16 alltoall_perf --profile profile.json --explain   with measured speeds, and why each plan was "
      "chosen\n"
      "  banyan-lab run -- alltoall_perf -b 4k -e 4k -n 1000 -J p.json one size, percentiles of 1000 exchanges\n";
  program.points = uniform_points;
  return banyan::perf::perf_main(argc, argv, program);
}
