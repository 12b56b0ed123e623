// SPDX-License-Identifier: Apache-2.0
// Duplicates that are none: an error on all ranks that names both, and the communicator goes on.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "base/error.hpp"
#include "sliced_job.hpp"

namespace banyan::moe {
namespace {

using banyan::testing::consecutive;
using banyan::testing::run_ranks;
using testing::SlicedJob;

SlicedJob job_of_four() {
  SlicedJob job;
  job.colours = {0, 0, 1, 1};
  job.hosts = consecutive({2, 2});
  job.tokens = {3, 3, 3, 3};
  job.num_experts = 8;
  job.top_k = 2;
  return job;
}

/// What each rank is told when rank 2 asks for other slices; afterwards a barrier must still work.
std::vector<std::string> refusals(const std::function<void(GroupTerms&, DuplicateTerms&)>& change,
                                  const SlicedJob& job = job_of_four()) {
  std::vector<std::string> texts(4);
  const auto ends = run_ranks(job.hosts, {}, [&](coll::Engine& engine) {
    const int rank = engine.communicator().rank();
    GroupTerms terms = job.terms();
    DuplicateTerms duplicates{.colours = job.colours, .sharded_experts = job.sharded};
    if (rank == 2) {
      change(terms, duplicates);
    }
    try {
      const Slices slices(engine, terms, duplicates);
    } catch (const Error& error) {
      texts[static_cast<size_t>(rank)] = error.what();
    }
    engine.barrier();
  });
  for (const auto& end : ends) {
    EXPECT_EQ(end.text, "");
  }
  return texts;
}

void expect_all_told(const std::vector<std::string>& texts, const std::string& part) {
  for (const std::string& text : texts) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
}

TEST(DuplicatesFailure, TermsThatDifferOrAreNonsenseThenAllRanksHearThem) {
  const std::vector<int> other = {0, 1, 1, 1};
  const std::vector<int> few = {0, 0, 1};
  expect_all_told(refusals([&](GroupTerms&, DuplicateTerms& terms) { terms.colours = other; }), "duplicates is");
  expect_all_told(refusals([&](GroupTerms&, DuplicateTerms& terms) { terms.colours = {}; }), "duplicates is");
  expect_all_told(refusals([&](GroupTerms&, DuplicateTerms& terms) { terms.colours = few; }),
                  "duplicates has 3 numbers, must have one for each of 4 ranks");
  expect_all_told(refusals([&](GroupTerms& terms, DuplicateTerms&) { terms.routing.max_tokens = 4; }),
                  "max_tokens is \"3\" on rank 0 and \"4\" on rank 2");  // of equal slices
  expect_all_told(refusals([&](GroupTerms& terms, DuplicateTerms&) { terms.routing.capacity = 3; }),
                  "capacity is 3, more than the 2 tokens");
}

TEST(DuplicatesFailure, ShardedExpertsThatAreNoneThenAllRanksHearIt) {
  SlicedJob job = job_of_four();
  job.sharded = true;
  expect_all_told(refusals([](GroupTerms&, DuplicateTerms&) {}, job),
                  "rank 1 has other experts than its duplicate, rank 0");
  job.expert_offsets = {0, 2, 4, 6, 8, 10, 12, 14, 16};
  job.expert_ranks = {0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3};
  expect_all_told(refusals([](GroupTerms& terms, DuplicateTerms&) { terms.layout = LayoutKind::kFlat; }, job),
                  "sharded_experts needs layout EXPERT_MAJOR");
  expect_all_told(refusals([](GroupTerms&, DuplicateTerms& terms) { terms.colours = {}; }, job),
                  "sharded_experts needs duplicates");
}

/// What all ranks hear of a route whose gate `change` made wrong on rank 3; the next route works.
std::vector<std::string> route_refusals(const std::function<void(testing::Gate&, size_t&)>& change) {
  const SlicedJob job = job_of_four();
  std::vector<std::string> texts(4);
  const auto ends = run_ranks(job.hosts, {}, [&](coll::Engine& engine) {
    const auto rank = static_cast<size_t>(engine.communicator().rank());
    const Slices slices(engine, job.terms(), {.colours = job.colours});
    Group group(engine, slices.terms());
    Mover mover(group, false);
    DuplicateRing ring(slices, group, mover);
    auto gate = testing::gate_of(job, job.model(rank));
    const auto right = gate;
    size_t num_tokens = 3;
    if (rank == 3) {
      change(gate, num_tokens);
    }
    const auto route = [&] {
      const SlicedStep step(
          ring, {.topk_idx = gate.topk_idx.data(), .topk_weights = gate.topk_weights.data(), .num_tokens = num_tokens});
      return step.cut(0).count;
    };
    try {
      static_cast<void>(route());
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), BANYAN_ERR_INVALID_ARGUMENT);
      texts[rank] = error.what();
    }
    gate = right;
    num_tokens = 3;
    EXPECT_EQ(route(), 3U);
  });
  for (const auto& end : ends) {
    EXPECT_EQ(end.text, "");
  }
  return texts;
}

TEST(DuplicatesFailure, GatesThatDifferThenAllRanksHearWhichPairAndTheNextRouteWorks) {
  const std::string part = "rank 3: num_tokens, topk_idx or topk_weights differ from those of its duplicate, rank 2";
  expect_all_told(route_refusals([](testing::Gate& gate, size_t&) { std::swap(gate.topk_idx[0], gate.topk_idx[1]); }),
                  part);
  expect_all_told(route_refusals([](testing::Gate& gate, size_t&) { gate.topk_weights[5] += 1; }), part);
  expect_all_told(route_refusals([](testing::Gate&, size_t& num_tokens) { num_tokens = 2; }), part);
}

TEST(DuplicatesFailure, AChoiceThatIsWrongThenItsTokenIsTheCallers) {
  expect_all_told(route_refusals([](testing::Gate& gate, size_t&) { gate.topk_idx[5] = 8; }),
                  "rank 3: topk_idx[2][1] is 8");
  expect_all_told(route_refusals([](testing::Gate&, size_t& num_tokens) { num_tokens = 4; }),
                  "rank 3: num_tokens is 4, max_tokens 3");
  expect_all_told(route_refusals([](testing::Gate& gate, size_t&) { gate.topk_weights[4] = NAN; }),
                  "rank 3: topk_weights[2][0] is nan");
}

TEST(DuplicatesFailure, DropInvalidThenTokensBeyondTheMostAreCountedOnce) {
  const SlicedJob job = job_of_four();
  const auto ends = run_ranks(job.hosts, {}, [&](coll::Engine& engine) {
    const auto rank = static_cast<size_t>(engine.communicator().rank());
    GroupTerms terms = job.terms();
    terms.routing.max_tokens = 2;
    terms.routing.drop_invalid = true;
    const Slices slices(engine, terms, {.colours = job.colours});
    Group group(engine, slices.terms());
    Mover mover(group, false);
    DuplicateRing ring(slices, group, mover);
    const auto gate = testing::gate_of(job, job.model(rank));
    const SlicedStep step(
        ring, {.topk_idx = gate.topk_idx.data(), .topk_weights = gate.topk_weights.data(), .num_tokens = 3});
    EXPECT_EQ(step.handle().all_invalid(), 2U * 2);  // of two colours
    EXPECT_EQ(step.cut(0).count, 2U);
  });
  for (const auto& end : ends) {
    EXPECT_EQ(end.text, "");
  }
}

TEST(DuplicatesFailure, ADuplicateThatIsGoneThenOthersGetAnErrorNotAHang) {
  const SlicedJob job = job_of_four();
  comm::Settings settings;
  settings.timeout_s = 1;
  const auto ends = run_ranks(job.hosts, settings, [&](coll::Engine& engine) {
    const auto rank = static_cast<size_t>(engine.communicator().rank());
    const Slices slices(engine, job.terms(), {.colours = job.colours});
    Group group(engine, slices.terms());
    Mover mover(group, false);
    DuplicateRing ring(slices, group, mover);
    const auto gate = testing::gate_of(job, job.model(rank));
    SlicedStep step(ring,
                    {.topk_idx = gate.topk_idx.data(), .topk_weights = gate.topk_weights.data(), .num_tokens = 3});
    if (rank == 1) {
      return;
    }
    std::vector<std::byte> rows(step.layout(0).rows * job.hidden * sizeof(float)), tokens(4096);
    step.run(0, CombineTerms{.rows = rows.data(), .tokens = tokens.data()});
  });
  EXPECT_EQ(ends[1].text, "");
  for (const size_t rank : {0, 2, 3}) {
    EXPECT_NE(ends[rank].status, BANYAN_OK) << rank;
  }
}

}  // namespace
}  // namespace banyan::moe
