// SPDX-License-Identifier: Apache-2.0
// What is wrong on one rank is an error on all, names it, and leaves the communicator as it was.
#include <gtest/gtest.h>

#include <functional>

#include "base/error.hpp"
#include "exchange_job.hpp"

namespace banyan::moe {
namespace {

using banyan::testing::consecutive;
using banyan::testing::run_ranks;
using testing::Job;

Job job_of_four() {
  Job job;
  job.hosts = consecutive({2, 2});
  job.tokens = {3, 3, 3, 3};
  job.num_experts = 8;
  job.top_k = 2;
  return job;
}

/// What each rank is told when rank 2 has other terms; afterwards a barrier must still work.
std::vector<std::string> refusals(const std::function<void(GroupTerms&)>& change) {
  const Job job = job_of_four();
  std::vector<std::string> texts(4);
  const auto ends = run_ranks(job.hosts, {}, [&](coll::Engine& engine) {
    const int rank = engine.communicator().rank();
    GroupTerms terms = job.terms();
    if (rank == 2) {
      change(terms);
    }
    try {
      const Group group(engine, terms);
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

TEST(TokenExchangeFailure, TermsThatDifferThenAllRanksHearWhichAndWhere) {
  expect_all_told(refusals([](GroupTerms& terms) { terms.hidden = 9; }),
                  "hidden is \"8\" on rank 0 and \"9\" on rank 2");
  expect_all_told(refusals([](GroupTerms& terms) { terms.routing.top_k = 3; }), "top_k is \"2\" on rank 0");
  expect_all_told(refusals([](GroupTerms& terms) { terms.dtype = device::Dtype::kBf16; }), "dtype");
  expect_all_told(refusals([](GroupTerms& terms) { terms.dedup = Dedup::kRank; }), "dedup");
  expect_all_told(refusals([](GroupTerms& terms) { terms.num_experts = 9; }), "the expert map");
  expect_all_told(refusals([](GroupTerms& terms) { terms.routing.capacity = 2; }), "capacity");
}

TEST(TokenExchangeFailure, TermsThatAreNonsenseThenAllRanksHearThem) {
  expect_all_told(refusals([](GroupTerms& terms) { terms.num_experts = 0; }), "num_experts is 0");
  expect_all_told(refusals([](GroupTerms& terms) { terms.routing.top_k = 9; }), "top_k is 9, must be from 1 to 8");
  expect_all_told(refusals([](GroupTerms& terms) { terms.hidden = 0; }), "hidden is 0");
  expect_all_told(refusals([](GroupTerms& terms) { terms.routing.max_tokens = size_t{1} << 40; }), "max_tokens");
  expect_all_told(refusals([](GroupTerms& terms) { terms.combine_dtype = device::Dtype::kBytes; }), "combine_dtype");
  expect_all_told(refusals([](GroupTerms& terms) { terms.problem = "layout is 7"; }), "layout is 7");
  expect_all_told(refusals([](GroupTerms& terms) {
                    terms.layout = LayoutKind::kRankMajor;
                    terms.dedup = Dedup::kNone;
                  }),
                  "RANK_MAJOR");
}

TEST(TokenExchangeFailure, AGateThatIsWrongThenAllRanksHearItAndTheNextOneWorks) {
  const Job job = job_of_four();
  std::vector<std::string> texts(4);
  const auto ends = run_ranks(job.hosts, {}, [&](coll::Engine& engine) {
    const auto rank = static_cast<size_t>(engine.communicator().rank());
    Group group(engine, job.terms());
    auto gate = testing::gate_of(job, rank);
    const auto right = gate.topk_idx;
    if (rank == 1) {
      gate.topk_idx[3] = 8;
    }
    const auto output = [&] {
      return GateOutput{.topk_idx = gate.topk_idx.data(), .topk_weights = gate.topk_weights.data(), .num_tokens = 3};
    };
    try {
      const Handle handle(group, output());
    } catch (const Error& error) {
      texts[rank] = error.what();
    }
    gate.topk_idx = right;
    const Handle handle(group, output());
    EXPECT_EQ(handle.routing().num_tokens(), 3U);
  });
  for (const auto& end : ends) {
    EXPECT_EQ(end.text, "");
  }
  expect_all_told(texts, "rank 1: topk_idx[1][1] is 8");
}

TEST(TokenExchangeFailure, ARankThatIsGoneThenOthersGetAnErrorNotAHang) {
  const Job job = job_of_four();
  comm::Settings settings;
  settings.timeout_s = 1;
  const auto ends = run_ranks(job.hosts, settings, [&](coll::Engine& engine) {
    const auto rank = static_cast<size_t>(engine.communicator().rank());
    Group group(engine, job.terms());
    if (rank == 3) {
      return;
    }
    const auto gate = testing::gate_of(job, rank);
    const Handle handle(group,
                        {.topk_idx = gate.topk_idx.data(), .topk_weights = gate.topk_weights.data(), .num_tokens = 3});
  });
  for (size_t rank = 0; rank < 3; ++rank) {
    EXPECT_NE(ends[rank].status, BANYAN_OK) << rank;
    EXPECT_NE(ends[rank].text.find("rank 3"), std::string::npos) << ends[rank].text;
  }
}

}  // namespace
}  // namespace banyan::moe
