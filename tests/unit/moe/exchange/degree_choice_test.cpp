// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/degree_choice.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <set>

#include "exchange_job.hpp"
#include "synthetic_step.hpp"

namespace banyan::moe {
namespace {

TEST(DegreeChoice, OneChunkThenTheSumOfItsParts) {
  EXPECT_DOUBLE_EQ(predict_step({.dispatch_s = 3, .experts_s = 5, .combine_s = 2, .per_chunk_s = 0.25}, 1), 10.5);
}

/// As long as the exchange: 1 + 1/n of it, so the pipeline hides 1 - 1/n.
TEST(DegreeChoice, ExpertsAsLongAsTheExchangeThenAllButAChunkIsHidden) {
  for (const size_t num_chunks : {2U, 4U, 8U, 64U}) {
    EXPECT_NEAR(predict_step({.dispatch_s = 0.5, .experts_s = 1, .combine_s = 0.5}, num_chunks),
                1 + 1.0 / static_cast<double>(num_chunks), 1e-12);
  }
}

TEST(DegreeChoice, NothingToHideBehindThenOneChunk) {
  EXPECT_EQ(choose_degree({.dispatch_s = 1, .combine_s = 1, .per_chunk_s = 1e-4}, 64), 1U);
  EXPECT_EQ(choose_degree({.experts_s = 1}, 64), 1U);
  EXPECT_EQ(choose_degree({.dispatch_s = 1e-5, .experts_s = 1e-5, .combine_s = 1e-5, .per_chunk_s = 1e-3}, 64), 1U);
}

/// T(n) = 1 + 1/n + n o while experts are the longest, least at n = 1 / sqrt(o).
TEST(DegreeChoice, OverheadsThenTheDegreeIsTheRootOfWhatTheyCost) {
  const size_t chosen = choose_degree({.dispatch_s = 0.5, .experts_s = 1, .combine_s = 0.5, .per_chunk_s = 0.01}, 64);
  EXPECT_GE(chosen, 6U);  // within 1 % of the best
  EXPECT_LE(chosen, 10U);
}

TEST(DegreeChoice, AnyPartsThenTimesLieBetweenTheirBounds) {
  EXPECT_TRUE(rc::check([] {
    const auto seconds = [] { return static_cast<double>(*rc::gen::inRange(0, 1000)) * 1e-4; };
    const StepParts parts{
        .dispatch_s = seconds(), .experts_s = seconds(), .combine_s = seconds(), .per_chunk_s = 0.1 * seconds()};
    const auto most = static_cast<size_t>(*rc::gen::inRange(1, 65));
    const double one = predict_step(parts, 1);
    double best = one;
    for (size_t n = 1; n <= most; ++n) {
      const double share = 1 / static_cast<double>(n);
      const double time = predict_step(parts, n);
      const double links = parts.dispatch_s + parts.combine_s + 2 * static_cast<double>(n) * parts.per_chunk_s;
      const double around = (parts.dispatch_s + parts.combine_s) * share + 2 * parts.per_chunk_s;
      RC_ASSERT(time >= std::max(links, parts.experts_s + around) - 1e-12);
      RC_ASSERT(time <= links + parts.experts_s + 1e-12);
      best = std::min(best, time);
    }
    const size_t chosen = choose_degree(parts, most);
    RC_ASSERT(chosen >= 1 && chosen <= most && predict_step(parts, chosen) <= 1.01 * best + 1e-15);
  }));
}

TEST(DegreeChoice, MoreRanksThenAChunkCostsMore) {
  double before = 0;
  for (const char* machine : {"1:4 nic=1gbit", "2:4 nic=1gbit", "4:4 nic=1gbit", "8:8 nic=1gbit"}) {
    const auto tree = testing::tree_of(machine);
    const double overheads = predict_overheads(planner::Hosts(tree), cost::nominal_model(tree));
    EXPECT_GT(overheads, before) << machine;
    before = overheads;
  }
}

/// Each rank has measured another time of its experts: the longest counts, so all take the same number of chunks.
TEST(DegreeChoice, TimesThatDifferBetweenRanksThenOneNumberOfChunks) {
  testing::Job job;
  job.hosts = banyan::testing::consecutive({2, 2});
  job.racks = {{0}, {1}};  // with rates
  job.tokens = {64, 64, 64, 64};
  job.num_experts = 8;
  job.top_k = 2;
  job.hidden = size_t{1} << 20;
  job.num_chunks = 0;
  std::vector<size_t> chosen(4);
  std::vector<double> predicted(4);
  const auto ends = banyan::testing::run_ranks(job.hosts, {}, [&](coll::Engine& engine) {
    const auto rank = static_cast<size_t>(engine.communicator().rank());
    testing::set_racks(engine, job);
    GroupTerms terms = job.terms();
    terms.experts_s = rank == 2 ? 1.0 : 0.01 * static_cast<double>(rank);
    const Group group(engine, terms);
    chosen[rank] = group.metadata_rules().num_chunks;
    predicted[rank] = group.predicted_step_s();
  });
  for (const auto& end : ends) {
    EXPECT_EQ(end.text, "");
  }
  EXPECT_EQ(std::set<size_t>(chosen.begin(), chosen.end()).size(), 1U);
  EXPECT_EQ(std::set<double>(predicted.begin(), predicted.end()).size(), 1U);
  EXPECT_GT(chosen[0], 1U);
  EXPECT_GT(predicted[0], 1.0);
}

}  // namespace
}  // namespace banyan::moe
