// SPDX-License-Identifier: Apache-2.0
// Tokens to experts and back on ranks that are threads, of hosts by their ids: every row where the layout says, and
// combined rows that are the definition's.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <limits>

#include "exchange_job.hpp"

namespace banyan::moe {
namespace {

using banyan::testing::consecutive;
using testing::compare;
using testing::Job;
using testing::run;

constexpr Dedup kAllDedups[] = {Dedup::kNone, Dedup::kRank, Dedup::kNode, Dedup::kTier};

Job small_job() {
  Job job;
  job.hosts = consecutive({2, 2, 3});
  job.tokens = {5, 9, 0, 17, 4, 8, 1};
  job.num_experts = 16;  // not divisible by 7
  job.top_k = 4;
  return job;
}

void expect_right(const std::vector<Job>& jobs) {
  std::string complaints;
  const auto outcomes = run(jobs, &complaints);
  ASSERT_EQ(complaints, "") << jobs[0].text();
  for (size_t number = 0; number < jobs.size(); ++number) {
    EXPECT_EQ(compare(jobs[number], outcomes[number]), "") << jobs[number].text();
  }
}

/// The job with each level of dedup.
std::vector<Job> each_dedup(const Job& job) {
  std::vector<Job> jobs(std::size(kAllDedups), job);
  for (size_t n = 0; n < jobs.size(); ++n) {
    jobs[n].dedup = kAllDedups[n];
  }
  return jobs;
}

/// Hosts in racks, ranks in order or dealt round.
std::vector<Job> machines() {
  std::vector<Job> jobs(3, small_job());
  jobs[1].hosts = {{0, 3, 5}, {6, 1}, {4, 2}};
  jobs[2].hosts = {{0, 5}, {1, 6}, {2}, {4, 3}};
  jobs[2].racks = {{0, 2}, {1, 3}};
  return jobs;
}

TEST(TokenExchange, EachMachineDedupAndLayoutThenRowsAndSumsAreRight) {
  for (const Job& machine : machines()) {
    std::vector<Job> jobs;
    for (Job job : each_dedup(machine)) {
      for (const LayoutKind layout : {LayoutKind::kExpertMajor, LayoutKind::kFlat, LayoutKind::kRankMajor}) {
        job.layout = layout;
        const bool refused = job.dedup == Dedup::kNone && layout == LayoutKind::kRankMajor;  // see the failure tests
        if (!refused && (machine.racks.empty() || layout == LayoutKind::kExpertMajor)) {
          jobs.push_back(job);
        }
      }
    }
    expect_right(jobs);
  }
}

TEST(TokenExchange, EachDtypeThenRowsAndSumsAreRight) {
  std::vector<Job> jobs;
  for (const auto dtype : {device::Dtype::kFp32, device::Dtype::kFp16, device::Dtype::kBf16}) {
    for (const bool fp32_partials : {false, true}) {
      Job& job = jobs.emplace_back(small_job());
      job.dtype = dtype;
      job.hidden = 300;
      job.fp32_partials = fp32_partials;
    }
  }
  expect_right(jobs);
}

TEST(TokenExchange, AlignmentScalesChunksAndFixedSlotsThenAllArrive) {
  std::vector<Job> jobs(3, small_job());
  jobs[0].alignment = 8;
  jobs[0].scale_bytes = 5;
  jobs[0].num_chunks = 3;
  jobs[0].num_parts = 2;
  jobs[1].capacity = 17;  // nothing is dropped
  jobs[2].tokens.assign(7, 0);
  expect_right(jobs);
}

TEST(TokenExchange, NotesThenAllRanksReadThoseOfAllWhateverElseTheFirstExchangeCarries) {
  std::vector<Job> jobs(4, small_job());
  jobs[0].note_bytes = 1;
  jobs[1].note_bytes = 64;
  jobs[2].note_bytes = 7;
  jobs[2].capacity_is_most = true;
  jobs[2].scope = CapacityScope::kGlobal;
  jobs[3].note_bytes = 13;
  jobs[3].tokens.assign(7, 0);
  expect_right(jobs);
}

TEST(TokenExchange, ReplicasThenEachChoiceGoesToOneOfThem) {
  Job job = small_job();
  job.num_experts = 5;
  job.expert_offsets = {0, 3, 4, 5, 7, 8};
  job.expert_ranks = {0, 3, 6, 1, 2, 4, 5, 6};
  job.top_k = 3;
  expect_right(each_dedup(job));
}

TEST(TokenExchange, OneRankThenItServesItself) {
  Job job = small_job();
  job.hosts = consecutive({1});
  job.tokens = {13};
  expect_right(each_dedup(job));
}

TEST(TokenExchange, CapacityThenWhatIsBeyondIsDroppedAndCounted) {
  std::vector<Job> jobs(3, small_job());
  for (size_t n = 0; n < jobs.size(); ++n) {
    jobs[n].capacity = 2;
    jobs[n].drop = static_cast<DropPolicy>(n);
  }
  std::string complaints;
  const auto outcomes = run(jobs, &complaints);
  EXPECT_EQ(complaints, "");
  for (const auto& ranks : outcomes) {
    EXPECT_GT(ranks[0].dropped, 0U);
    for (const auto& outcome : ranks) {
      EXPECT_EQ(outcome.dropped, ranks[0].dropped);
    }
  }
}

TEST(TokenExchange, DeterministicThenAllDedupsGiveEqualBits) {
  for (Job job : machines()) {
    std::vector<Job> jobs;
    for (const auto dtype : {device::Dtype::kFp32, device::Dtype::kBf16, device::Dtype::kFp16}) {
      job.dtype = dtype;
      job.deterministic = true;
      job.top_k = 9;
      job.hidden = 33;
      const auto more = each_dedup(job);
      jobs.insert(jobs.end(), more.begin(), more.end());
    }
    for (size_t number = 0; number < jobs.size(); ++number) {
      jobs[number].num_parts = number % 2 == 0 ? 1 : 4;  // bits do not depend on it either
    }
    std::string complaints;
    const auto outcomes = run(jobs, &complaints);
    ASSERT_EQ(complaints, "");
    for (size_t number = 0; number < jobs.size(); ++number) {
      const auto& first = outcomes[number / std::size(kAllDedups) * std::size(kAllDedups)];
      for (size_t rank = 0; rank < first.size(); ++rank) {
        EXPECT_EQ(outcomes[number][rank].combined, first[rank].combined) << jobs[number].text() << " rank " << rank;
      }
    }
  }
}

TEST(TokenExchange, OddShapesThenRowsAndSumsAreRight) {
  std::vector<Job> jobs(6, small_job());
  jobs[0].hidden = 1;
  jobs[0].num_experts = 1;  // six ranks without experts
  jobs[0].top_k = 1;
  jobs[1].num_experts = 300;  // counts of two bytes
  jobs[1].top_k = 300;
  jobs[1].hidden = 3;
  jobs[2].num_chunks = 19;  // more than tokens
  jobs[2].num_parts = 2;
  jobs[2].dtype = device::Dtype::kFp16;
  jobs[2].hidden = 7;
  jobs[3].layout = LayoutKind::kRankMajor;  // slots of every chunk and source
  jobs[3].num_chunks = 5;
  jobs[3].num_parts = 2;
  jobs[3].scale_bytes = 3;
  jobs[4].num_experts = 5;
  jobs[4].top_k = 5;
  jobs[4].alignment = 3;
  jobs[4].capacity = 2;  // the first tokens alone; and slots of replicas
  jobs[4].expert_offsets = {0, 3, 4, 5, 7, 8};
  jobs[4].expert_ranks = {0, 3, 6, 1, 2, 4, 5, 6};
  jobs[4].num_chunks = 2;
  jobs[5].absent = 1;  // no choices at all
  for (Job job : jobs) {
    std::vector<Job> levels = each_dedup(job);
    if (job.layout == LayoutKind::kRankMajor) {
      levels.erase(levels.begin());
    }
    if (job.capacity == 0) {
      expect_right(levels);
      continue;
    }
    std::string complaints;
    static_cast<void>(run(levels, &complaints));
    EXPECT_EQ(complaints, "");
  }
}

TEST(TokenExchange, MoreThanEightChildrenThenMasksOfTwoBytesServe) {
  Job job;
  job.hosts = consecutive({10, 1});
  job.tokens = {2, 3, 1, 0, 2, 2, 1, 4, 2, 1, 3};
  job.num_experts = 22;
  job.top_k = 20;
  expect_right(each_dedup(job));
}

/// As in a server: the group is made for a long prompt, and a step has a few tokens; slow links, so that the model
/// wants parts.
TEST(TokenExchange, FewerTokensThanTheGroupIsMadeForThenPiecesAreJoined) {
  Job job;
  job.hosts = consecutive({2, 2});
  job.racks = {{0}, {1}};
  job.tokens = {24, 0, 7, 24};
  job.max_tokens = 256;
  job.num_experts = 8;
  job.top_k = 3;
  job.hidden = 4096;
  job.dedup = Dedup::kNode;
  const auto ends = banyan::testing::run_ranks(job.hosts, {}, [&](coll::Engine& engine) {
    testing::set_racks(engine, job);
    const Group group(engine, job.terms());
    EXPECT_GT(group.num_parts(24), 1U);
    EXPECT_LT(group.num_parts(24), group.metadata_rules().most_parts);
  });
  for (const auto& end : ends) {
    EXPECT_EQ(end.text, "");
  }
  Job slots = job;
  slots.layout = LayoutKind::kRankMajor;
  expect_right({job, slots});
}

TEST(TokenExchange, ChunksUnderWayAtOnceThenRowsAndSumsAreRight) {
  for (Job job : machines()) {
    job.overlap = true;
    job.scale_bytes = 3;
    std::vector<Job> jobs;
    job.num_chunks = 5;
    job.num_parts = 4;
    for (const bool progress_thread : {false, true}) {
      job.progress_thread = progress_thread;
      for (const Job& each : each_dedup(job)) {
        jobs.push_back(each);
      }
    }
    expect_right(jobs);
  }
}

/// What one rank combines where experts give numbers that are not, or not ordinary.
std::vector<std::byte> combine_special(coll::Engine& engine, const Job& job) {
  const auto rank = static_cast<size_t>(engine.communicator().rank());
  const auto gate = testing::gate_of(job, rank);
  Group group(engine, job.terms());
  const Handle handle(
      group,
      {.topk_idx = gate.topk_idx.data(), .topk_weights = gate.topk_weights.data(), .num_tokens = job.tokens[rank]});
  Mover mover(group, false);
  const auto& chunk = handle.chunks()[0];
  const float special[] = {
      std::numeric_limits<float>::infinity(), -0.0F, 60000, -60000, 0, 3e38F, 1e-7F, -1e-39F, 1.0F / 3,
      -std::numeric_limits<float>::infinity()};
  std::vector<float> values(chunk.layout.rows * job.hidden);
  const auto& local = group.map().experts_of(static_cast<int>(rank));
  for (size_t expert = 0; expert < local.size(); ++expert) {
    for (size_t row = chunk.layout.expert_begin[expert]; row < chunk.layout.expert_begin[expert + 1]; ++row) {
      for (size_t i = 0; i < job.hidden; ++i) {
        const size_t at = static_cast<size_t>(local[expert]) * (i + 1) + i;
        values[row * job.hidden + i] = special[at % (i % 4 == 0 ? 10 : 7) + (i % 4 == 0 ? 0 : 1)];
      }
    }
  }
  std::vector<std::byte> rows = testing::stored(job.dtype, values);
  std::vector<std::byte> tokens(job.tokens[rank] * job.hidden * device::element_bytes(job.dtype));
  mover.run(make_combine(group, chunk, {.rows = rows.data(), .tokens = tokens.data()}));
  return tokens;
}

TEST(TokenExchange, DeterministicAndSpecialValuesThenAllDedupsGiveEqualBits) {
  Job job = machines()[2];  // with racks
  job.deterministic = true;
  job.hidden = 31;
  job.top_k = 6;
  for (const auto dtype : {device::Dtype::kFp32, device::Dtype::kBf16, device::Dtype::kFp16}) {
    for (const bool fp32_partials : {false, true}) {
      job.dtype = dtype;
      job.fp32_partials = fp32_partials;
      const auto jobs = each_dedup(job);
      std::vector combined(jobs.size(), std::vector<std::vector<std::byte>>(job.size()));
      const auto ends = banyan::testing::run_ranks(job.hosts, {}, [&](coll::Engine& engine) {
        testing::set_racks(engine, job);
        for (size_t n = 0; n < jobs.size(); ++n) {
          combined[n][static_cast<size_t>(engine.communicator().rank())] = combine_special(engine, jobs[n]);
        }
      });
      for (const auto& end : ends) {
        EXPECT_EQ(end.text, "");
      }
      for (size_t n = 1; n < jobs.size(); ++n) {
        EXPECT_EQ(combined[n], combined[0]) << jobs[n].text();
      }
    }
  }
}

TEST(TokenExchange, RandomMachinesAndGatesThenRowsAndSumsAreRight) {
  EXPECT_TRUE(rc::check("random token exchanges", [] {
    Job job;
    std::vector<int> sizes =
        *rc::gen::resize(4, rc::gen::nonEmpty(rc::gen::container<std::vector<int>>(rc::gen::inRange(1, 4))));
    job.hosts = consecutive(sizes);
    for (const int size : sizes) {
      for (int i = 0; i < size; ++i) {
        job.tokens.push_back(*rc::gen::inRange<size_t>(0, 12));
      }
    }
    job.num_experts = *rc::gen::inRange(1, 20);
    job.top_k = *rc::gen::inRange(1, std::min(job.num_experts, 6) + 1);
    job.hidden = *rc::gen::inRange<size_t>(1, 40);
    job.dtype = *rc::gen::element(device::Dtype::kFp32, device::Dtype::kBf16, device::Dtype::kFp16);
    job.dedup = *rc::gen::element(Dedup::kNone, Dedup::kRank, Dedup::kNode, Dedup::kTier);
    job.layout = *rc::gen::element(LayoutKind::kExpertMajor, LayoutKind::kFlat);
    job.alignment = *rc::gen::inRange<size_t>(1, 5);
    job.num_chunks = *rc::gen::inRange<size_t>(1, 4);
    job.num_parts = *rc::gen::element<size_t>(0, 2, 4);
    job.weighted = *rc::gen::arbitrary<bool>();
    job.absent = *rc::gen::element(0.0, 0.3);
    job.seed = *rc::gen::inRange<uint64_t>(1, 1000000);
    std::string complaints;
    const auto outcomes = run({job}, &complaints);
    RC_ASSERT(complaints == "");
    RC_ASSERT(compare(job, outcomes[0]) == "");
  }));
}

}  // namespace
}  // namespace banyan::moe
