// SPDX-License-Identifier: Apache-2.0
// Ranks that hold the same tokens: each sends a slice, and all get what they would get without.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>
#include <numeric>

#include "sliced_job.hpp"

namespace banyan::moe {
namespace {

using banyan::testing::consecutive;
using testing::run_sliced;
using testing::SlicedJob;

/// Three pairs on two hosts, and a rank by itself.
SlicedJob pairs_job() {
  SlicedJob job;
  job.colours = {0, 0, 5, 5, 2, 2, 9};
  job.hosts = consecutive({4, 3});
  job.tokens = {7, 7, 0, 0, 12, 12, 3};
  job.num_experts = 10;
  job.top_k = 3;
  job.num_chunks = 2;
  job.num_parts = 4;
  return job;
}

/// Two colours of two ranks a host, whose ranks hold parts of the same experts.
SlicedJob sharded_job() {
  SlicedJob job;
  job.colours = {0, 0, 1, 1, 2, 2, 3, 3};
  job.hosts = consecutive({4, 4});
  job.tokens = {9, 9, 4, 4, 0, 0, 6, 6};
  job.num_experts = 6;
  job.top_k = 3;
  job.sharded = true;
  for (int expert = 0; expert < job.num_experts; ++expert) {
    job.expert_offsets.push_back(2 * expert);
    job.expert_ranks.push_back(expert % 4 * 2);
    job.expert_ranks.push_back(expert % 4 * 2 + 1);
  }
  job.expert_offsets.push_back(2 * job.num_experts);
  return job;
}

void expect_right(const std::vector<SlicedJob>& jobs) {
  for (const SlicedJob& job : jobs) {
    EXPECT_EQ(run_sliced(job).complaints, "") << job.text();
  }
}

TEST(Duplicates, EachDedupAndLayoutThenAllHoldTheSumsOfAllTokens) {
  std::vector<SlicedJob> jobs;
  for (const Dedup dedup : {Dedup::kNone, Dedup::kRank, Dedup::kNode}) {
    for (const LayoutKind layout : {LayoutKind::kExpertMajor, LayoutKind::kFlat}) {
      SlicedJob& job = jobs.emplace_back(pairs_job());
      job.dedup = dedup;
      job.layout = layout;
    }
  }
  expect_right(jobs);
}

TEST(Duplicates, ColoursAcrossHostsOfUnequalSizesThenAllHoldTheSumsOfAllTokens) {
  SlicedJob job = pairs_job();
  job.colours = {1, 0, 1, 0, 1, 0, 1};
  job.tokens = {11, 5, 11, 5, 11, 5, 11};
  job.scale_bytes = 3;
  SlicedJob all = job;  // one colour
  all.colours.assign(7, 4);
  all.tokens.assign(7, 3);  // fewer than ranks
  expect_right({job, all});
}

TEST(Duplicates, ShardedExpertsThenEachPartGetsTheRowsOfAll) {
  std::vector<SlicedJob> jobs(5, sharded_job());
  jobs[1].num_chunks = 3;
  jobs[1].scale_bytes = 5;
  jobs[1].alignment = 4;
  jobs[2].capacity_is_most = true;
  jobs[2].num_chunks = 2;
  jobs[3].dtype = device::Dtype::kBf16;
  jobs[3].dedup = Dedup::kRank;
  jobs[4].colours = {0, 1, 0, 1, 2, 3, 2, 3};  // parts are at other places
  jobs[4].tokens = {9, 4, 9, 4, 0, 6, 0, 6};
  for (size_t n = 0; n < jobs[4].expert_ranks.size(); n += 2) {
    const int colour = static_cast<int>(n) / 2 % 4;
    jobs[4].expert_ranks[n] = colour / 2 * 4 + colour % 2;
    jobs[4].expert_ranks[n + 1] = jobs[4].expert_ranks[n] + 2;
  }
  expect_right(jobs);
}

/// Rows that a dispatch of all ranks sends to other hosts, with and without slices.
void expect_fewer_wire_rows(SlicedJob job, size_t times) {
  const auto sliced = run_sliced(job);
  EXPECT_EQ(sliced.complaints, "");
  job.colours.clear();
  job.sharded = false;
  const auto whole = run_sliced(job);
  EXPECT_EQ(whole.complaints, "");
  EXPECT_GT(sliced.wire_rows, 0U);
  EXPECT_EQ(sliced.wire_rows * times, whole.wire_rows);
}

TEST(Duplicates, ColoursInsideHostsThenWireRowsShrinkByTheirSize) {
  SlicedJob job = pairs_job();
  job.colours = {0, 0, 1, 1, 2, 2, 3, 3};
  job.hosts = consecutive({4, 4});
  job.tokens = {7, 7, 5, 5, 12, 12, 0, 0};
  job.same_gate = {0, 0, 2, 2, 4, 4, 6, 6};
  expect_fewer_wire_rows(job, 2);
  SlicedJob sharded = sharded_job();
  sharded.same_gate = job.same_gate;
  expect_fewer_wire_rows(sharded, 2);
  job.colours = {0, 0, 0, 0, 2, 2, 2, 2};
  job.same_gate = {0, 0, 0, 0, 4, 4, 4, 4};
  job.tokens = {7, 7, 7, 7, 6, 6, 6, 6};
  expect_fewer_wire_rows(job, 4);
}

TEST(Duplicates, RandomColoursMachinesAndShapesThenAllHoldTheSumsOfAllTokens) {
  EXPECT_TRUE(rc::check("random duplicates", [] {
    SlicedJob job;
    const std::vector<int> sizes =
        *rc::gen::resize(3, rc::gen::nonEmpty(rc::gen::container<std::vector<int>>(rc::gen::inRange(1, 4))));
    job.hosts = consecutive(sizes);
    const int num_ranks = std::accumulate(sizes.begin(), sizes.end(), 0);
    const auto tokens_of = *rc::gen::container<std::vector<size_t>>(4, rc::gen::inRange<size_t>(0, 12));
    for (int rank = 0; rank < num_ranks; ++rank) {
      job.colours.push_back(*rc::gen::inRange(0, 4));
      job.tokens.push_back(tokens_of[static_cast<size_t>(job.colours.back())]);
    }
    job.sharded = *rc::gen::arbitrary<bool>();
    job.num_experts = *rc::gen::inRange(1, 8);
    job.expert_offsets.push_back(0);
    for (int expert = 0; expert < job.num_experts; ++expert) {  // all ranks of one rank's colour, or it alone
      const int holder = *rc::gen::inRange(0, num_ranks);
      for (int rank = 0; rank < num_ranks; ++rank) {
        if (rank == holder ||
            (job.sharded && job.colours[static_cast<size_t>(rank)] == job.colours[static_cast<size_t>(holder)])) {
          job.expert_ranks.push_back(rank);
        }
      }
      job.expert_offsets.push_back(static_cast<int>(job.expert_ranks.size()));
    }
    job.top_k = *rc::gen::inRange(1, std::min(job.num_experts, 4) + 1);
    job.dedup = *rc::gen::element(Dedup::kNone, Dedup::kRank, Dedup::kNode, Dedup::kTier);
    job.layout =
        job.sharded ? LayoutKind::kExpertMajor : *rc::gen::element(LayoutKind::kExpertMajor, LayoutKind::kFlat);
    job.num_chunks = *rc::gen::inRange<size_t>(1, 4);
    job.num_parts = *rc::gen::element<size_t>(0, 2, 4);
    job.alignment = *rc::gen::inRange<size_t>(1, 4);
    job.scale_bytes = *rc::gen::element<size_t>(0, 3);
    job.capacity_is_most = *rc::gen::arbitrary<bool>();
    if (job.capacity_is_most && !job.sharded) {
      job.scope = *rc::gen::element(CapacityScope::kPerRank, CapacityScope::kGlobal);
    }
    job.weighted = *rc::gen::arbitrary<bool>();
    job.absent = *rc::gen::element(0.0, 0.3);
    job.seed = *rc::gen::inRange<uint64_t>(1, 1000000);
    const std::string complaints = run_sliced(job).complaints;
    RC_ASSERT(complaints == "");
  }));
}

}  // namespace
}  // namespace banyan::moe
