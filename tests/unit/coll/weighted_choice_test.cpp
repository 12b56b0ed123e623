// SPDX-License-Identifier: Apache-2.0
#include "coll/weighted_choice.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "coll/compile.hpp"
#include "coll/weighted.hpp"
#include "rank_threads.hpp"
#include "schedule/verify.hpp"

namespace banyan::coll {
namespace {

using testing::consecutive;
using testing::run_ranks;

std::vector<uint64_t> matrix_of(int size, uint64_t bytes) {
  return std::vector<uint64_t>(static_cast<size_t>(size) * static_cast<size_t>(size), bytes);
}

/// Runs `body` on one rank of such hosts.
void with_situation(const std::vector<int>& sizes, const std::function<void(const planner::Situation&)>& body) {
  const auto outcomes = run_ranks(consecutive(sizes), {}, [&](Engine& engine) {
    if (engine.communicator().rank() == 0) {
      const planner::Hosts hosts(engine.communicator().tree());
      body({engine.communicator().tree(), hosts, engine.communicator().model()});
    }
    engine.barrier();
  });
  for (const auto& outcome : outcomes) {
    EXPECT_EQ(outcome.status, BANYAN_OK) << outcome.text;
  }
}

TEST(WeightedChoice, AnyMatrixThenNoAlgorithmIsPredictedToBeFaster) {
  with_situation({4, 3, 4}, [](const planner::Situation& situation) {
    for (const uint64_t bytes : {uint64_t{8}, uint64_t{3000}, uint64_t{60000}, uint64_t{4000000}}) {
      const auto matrix = matrix_of(11, bytes);
      const auto best = choose_weighted(situation, matrix, {});
      EXPECT_FALSE(best.forced);
      for (const char* name : {"direct", "hierarchical(rail)", "hierarchical(node)"}) {
        const auto other =
            choose_weighted(situation, matrix, {.algorithm = name, .aggregate_limit_bytes = 0, .pace = {}});
        EXPECT_EQ(planner::algorithm_name(other.chosen.algorithm), name);
        EXPECT_LE(best.chosen.prediction.total_s(), other.chosen.prediction.total_s()) << name << " " << bytes;
      }
    }
  });
}

TEST(WeightedChoice, LargePairsThenDirectAndSmallOnesThenAggregated) {
  with_situation({4, 4}, [](const planner::Situation& situation) {
    EXPECT_NE(choose_weighted(situation, matrix_of(8, 16), {}).chosen.algorithm, planner::Algorithm::kDirect);
    const auto large = choose_weighted(situation, matrix_of(8, 8000000), {});
    EXPECT_TRUE(large.chosen.algorithm == planner::Algorithm::kDirect || large.block_limit < 8000000);
  });
}

TEST(WeightedChoice, TooManyRanksForAMatrixThenAsForAnAlltoallv) {
  with_situation({2, 2}, [](const planner::Situation& situation) {
    const auto choice = choose_weighted(situation, {}, {});
    const auto expected = planner::choose_v(situation, {});
    EXPECT_EQ(choice.chosen.algorithm, expected.chosen.algorithm);
    EXPECT_EQ(choice.block_limit, expected.block_limit);
  });
}

/// What compile_bounded makes of direct: the same messages, but each with a header.
TEST(WeightedChoice, DirectWithHeadersThenVerifies) {
  with_situation({3, 1, 2}, [](const planner::Situation& situation) {
    std::vector<schedule::RankSchedule> parts;
    for (int rank = 0; rank < 6; ++rank) {
      parts.push_back(bounded_part(situation.hosts, rank, planner::Algorithm::kDirect, /*mapped=*/true));
    }
    const auto joined = schedule::join(parts, "direct", 0);
    EXPECT_EQ(schedule::verify(joined, {}).problem, "");
    for (const auto& message : joined.messages) {
      EXPECT_TRUE(message.self_describing);
    }
  });
}

TEST(WeightedChoice, TooManyRanksThenEachKnowsItsOwnCapacitiesAndThereIsNoPlan) {
  const auto outcomes = run_ranks(consecutive({2, 1}), {}, [](Engine& engine) {
    const auto rank = static_cast<size_t>(engine.communicator().rank());
    const std::vector<double> weights = {1, 2, 1};
    Weighted weighted(engine,
                      {.capacity = {.weights = weights, .rows = size_t{40} << rank, .factor = 1, .min_capacity = 0},
                       .row_bytes = 10,
                       .overflow = Overflow::kError,
                       .options = {},
                       .max_planned_ranks = 2});
    const size_t share = rank == 1 ? 20 : 10;  // of 40 rows
    EXPECT_EQ(weighted.send_capacities(), (std::vector<size_t>{10U << rank, 20U << rank, 10U << rank}));
    EXPECT_EQ(weighted.recv_capacities(), (std::vector<size_t>{share, 2 * share, 4 * share}));
    std::vector<std::byte> data(2000), received(2000);
    const std::vector<size_t> counts = weighted.send_capacities();
    weighted.start({.sendbuf = data.data(),
                    .sendcounts = counts.data(),
                    .sdispls = nullptr,
                    .recvbuf = received.data(),
                    .rdispls = nullptr});
    engine.wait(weighted.request());
    weighted.finish();
    EXPECT_EQ(weighted.received(), weighted.recv_capacities());
    EXPECT_THROW(static_cast<void>(weighted.plan()), Error);
  });
  for (const auto& outcome : outcomes) {
    EXPECT_EQ(outcome.status, BANYAN_OK) << outcome.text;
  }
}

TEST(WeightedChoice, RequestThenItsPlanIsOfTheCapacities) {
  const auto outcomes = run_ranks(consecutive({2, 1}), {}, [](Engine& engine) {
    const std::vector<double> weights = {1, 2, 1};
    Weighted weighted(engine, {.capacity = {.weights = weights, .rows = 400, .factor = 1, .min_capacity = 0},
                               .row_bytes = 100,
                               .overflow = Overflow::kDrop,
                               .options = {}});
    const planner::Plan plan = weighted.plan();
    EXPECT_EQ(plan.logical_bytes, 50000U);  // 100 rows from 0 to 2, from 1 to 2 and from 2 to 0, 200 from 2 to 1
    EXPECT_GT(plan.choice.chosen.prediction.total_s(), 0);
  });
  for (const auto& outcome : outcomes) {
    EXPECT_EQ(outcome.status, BANYAN_OK) << outcome.text;
  }
}

}  // namespace
}  // namespace banyan::coll
