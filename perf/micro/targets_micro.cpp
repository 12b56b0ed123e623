// SPDX-License-Identifier: Apache-2.0
// targets_micro: what dispatch targets cost to compute, all of a call of banyan_targets_create but the topology. "Rows"
// adds the rows of all ranks: ranks squared numbers. "Kinds": every rank has other tokens, so none are alike.
#include <benchmark/benchmark.h>

#include <string>

#include "cost/profile.hpp"
#include "moe/targets/targets.hpp"
#include "topology/discover.hpp"
#include "topology/locality_tree.hpp"

namespace banyan {
namespace {

/// One expert a rank; 512 hosts of 8 ranks are 4096.
class Job {
 public:
  explicit Job(const std::string& description)
      : tree_(topology::LocalityTree::derive(topology::from_synthetic(description).value("synthetic"))),
        model_(cost::nominal_model(tree_)) {
    problem_.tree = &tree_;
    problem_.model = &model_;
    problem_.num_experts = tree_.num_ranks();
    problem_.tokens = {4096};
    problem_.row_bytes = 4096;
  }

  /// `method`: 0 closed, 1 exact, 2 budgeted half way between the least time and that of even dispatch.
  moe::TargetProblem problem(int64_t method) {
    problem_.method = static_cast<moe::TargetMethod>(method);
    if (problem_.method == moe::TargetMethod::kBudgeted) {
      moe::TargetProblem closed = problem_;
      closed.method = moe::TargetMethod::kClosed;
      const moe::Targets targets = moe::compute_targets(closed);
      problem_.budget_s = (targets.least_s + targets.even_s) / 2;
    }
    return problem_;
  }
  void make_all_ranks_unlike() {
    problem_.tokens.clear();
    for (int rank = 0; rank < tree_.num_ranks(); ++rank) {
      problem_.tokens.push_back(4096 + static_cast<size_t>(rank));
    }
  }

 private:
  topology::LocalityTree tree_;
  cost::CostModel model_;
  moe::TargetProblem problem_;
};

const char* const kJobs[] = {"512:8 nic=100gbit racks=16 uplink=400gbit",
                             "520:[8 x456,7 x64] nic=100gbit racks=20 uplink=400gbit"};

void compute(benchmark::State& state) {
  Job job(kJobs[state.range(1)]);
  const moe::TargetProblem problem = job.problem(state.range(0));
  for (auto _ : state) {
    benchmark::DoNotOptimize(moe::compute_targets(problem));
  }
  state.SetLabel(std::string(moe::method_name(problem.method)) + ", " + kJobs[state.range(1)]);
}
BENCHMARK(compute)->ArgsProduct({{0, 1, 2}, {0, 1}})->Unit(benchmark::kMillisecond);

void compute_and_all_rows(benchmark::State& state) {
  Job job(kJobs[0]);
  const moe::TargetProblem problem = job.problem(state.range(0));
  for (auto _ : state) {
    const moe::Targets targets = moe::compute_targets(problem);
    for (int rank = 0; rank < targets.num_ranks(); ++rank) {
      benchmark::DoNotOptimize(targets.row(rank));
    }
  }
  state.SetLabel(moe::method_name(problem.method));
}
BENCHMARK(compute_and_all_rows)->Arg(1)->Unit(benchmark::kMillisecond);

void compute_for_unlike_ranks(benchmark::State& state) {
  Job job(std::to_string(state.range(1)) + ":8 nic=100gbit racks=4 uplink=400gbit");
  job.make_all_ranks_unlike();
  const moe::TargetProblem problem = job.problem(state.range(0));
  for (auto _ : state) {
    benchmark::DoNotOptimize(moe::compute_targets(problem));
  }
  state.SetLabel(std::string(moe::method_name(problem.method)) + ", " + std::to_string(state.range(1) * 8) + " ranks");
}
BENCHMARK(compute_for_unlike_ranks)->ArgsProduct({{0, 1, 2}, {8, 64, 512}})->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace banyan

BENCHMARK_MAIN();
