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
  program.points = uniform_points;
  return banyan::perf::perf_main(argc, argv, program);
}
