// SPDX-License-Identifier: Apache-2.0
// Weighted exchanges of ranks that disagree, ask for what can't be, or go: errors on all ranks, never a hang.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <thread>

#include "base/error.hpp"
#include "coll/weighted.hpp"
#include "rank_threads.hpp"

namespace banyan::coll {
namespace {

using ::testing::AnyOf;
using testing::consecutive;
using ::testing::HasSubstr;
using testing::Outcome;
using testing::run_ranks;

constexpr size_t kRanks = 4;

/// What a rank asks for, unless a test changes it.
struct Wish {
  std::vector<double> weights = std::vector<double>(kRanks, 1);
  size_t rows = 8;
  WeightedTerms terms = {.capacity = {}, .row_bytes = 16, .overflow = Overflow::kError, .options = {}};
};

std::unique_ptr<Weighted> make(Engine& engine, const Wish& wish) {
  WeightedTerms terms = wish.terms;
  terms.capacity.weights = wish.weights;
  terms.capacity.rows = wish.rows;
  return std::make_unique<Weighted>(engine, terms);
}

/// Buffers with room for all that the tests exchange.
struct Data {
  std::vector<std::byte> send = std::vector<std::byte>(4096), receive = std::vector<std::byte>(4096);
  std::vector<size_t> counts = std::vector<size_t>(kRanks, 2);

  void start(Weighted& weighted) {
    weighted.start({.sendbuf = send.data(),
                    .sendcounts = counts.data(),
                    .sdispls = nullptr,
                    .recvbuf = receive.data(),
                    .rdispls = nullptr});
  }
  void exchange(Engine& engine, Weighted& weighted) {
    start(weighted);
    engine.wait(weighted.request());
    weighted.finish();
  }
};

/// The error of a call, or none.
template <typename Call>
Outcome outcome_of(const Call& call) {
  try {
    call();
    return {};
  } catch (const Error& error) {
    return {error.status(), error.what()};
  }
}

/// Every rank's init fails alike, and the communicator is still good for an exchange.
void expect_refused(const std::function<void(Wish&, int rank)>& change, banyan_status status, const std::string& text) {
  const auto outcomes = run_ranks(consecutive({3, 1}), {}, [&](Engine& engine) {
    const int rank = engine.communicator().rank();
    Wish wish;
    change(wish, rank);
    const Outcome refused = outcome_of([&] { static_cast<void>(make(engine, wish)); });
    EXPECT_EQ(refused.status, status) << rank << ": " << refused.text;
    EXPECT_THAT(refused.text, HasSubstr(text)) << rank;
    Data data;
    data.exchange(engine, *make(engine, {}));
  });
  for (const Outcome& outcome : outcomes) {
    EXPECT_EQ(outcome.status, BANYAN_OK) << outcome.text;
  }
}

TEST(WeightedFailure, OneRanksWeightsAreBadThenAllRanksAreToldAndGoOn) {
  const auto bad = [](double weight) {
    return [weight](Wish& wish, int rank) { wish.weights[1] = rank == 2 ? weight : 1; };
  };
  const std::string on_others = "weights[1] is ";
  expect_refused(bad(-1), BANYAN_ERR_INVALID_ARGUMENT, on_others + "-1");
  expect_refused(bad(std::numeric_limits<double>::quiet_NaN()), BANYAN_ERR_INVALID_ARGUMENT, on_others + "nan");
  expect_refused(bad(std::numeric_limits<double>::infinity()), BANYAN_ERR_INVALID_ARGUMENT, on_others + "inf");
  const auto on_two = [](auto set) {
    return [set](Wish& wish, int rank) {
      if (rank == 2) {
        set(wish);
      }
    };
  };
  expect_refused(on_two([](Wish& wish) { wish.weights.assign(kRanks, 0); }), BANYAN_ERR_INVALID_ARGUMENT,
                 "all weights are 0");
  expect_refused(on_two([](Wish& wish) { wish.weights.pop_back(); }), BANYAN_ERR_INVALID_ARGUMENT, "not of 4 entries");
  expect_refused(on_two([](Wish& wish) { wish.terms.capacity.factor = -1; }), BANYAN_ERR_INVALID_ARGUMENT,
                 "capacity_factor is -1");
  expect_refused(on_two([](Wish& wish) { wish.terms.row_bytes = 0; }), BANYAN_ERR_INVALID_ARGUMENT, "row_bytes is 0");
  expect_refused(on_two([](Wish& wish) { wish.terms.problem = "what the caller wants"; }), BANYAN_ERR_INVALID_ARGUMENT,
                 "what the caller wants");
  expect_refused(on_two([](Wish& wish) { wish.rows = size_t{1} << 32; }), BANYAN_ERR_LIMIT, "must be below 4 GiB");
  expect_refused(on_two([](Wish& wish) {
                   wish.rows = (size_t{1} << 53) - 1;
                   wish.terms.row_bytes = size_t{1} << 40;
                 }),
                 BANYAN_ERR_LIMIT, "overflows size_t");
}

TEST(WeightedFailure, RanksDisagreeThenAllNameFieldAndRanks) {
  const auto differ = [](auto set) {
    return [set](Wish& wish, int rank) {
      if (rank == 3) {
        set(wish);
      }
    };
  };
  expect_refused(differ([](Wish& wish) { wish.terms.row_bytes = 17; }), BANYAN_ERR_MISMATCH,
                 "row_bytes is \"16\" on rank 0 and \"17\" on rank 3");
  expect_refused(differ([](Wish& wish) { wish.terms.capacity.factor = 1 + 1e-15; }), BANYAN_ERR_MISMATCH,
                 "capacity_factor is \"1\" on rank 0");
  expect_refused(differ([](Wish& wish) { wish.terms.capacity.min_capacity = 1; }), BANYAN_ERR_MISMATCH, "min_capacity");
  expect_refused(differ([](Wish& wish) { wish.terms.overflow = Overflow::kDrop; }), BANYAN_ERR_MISMATCH, "overflow");
  expect_refused(differ([](Wish& wish) { wish.terms.options.algorithm = "direct"; }), BANYAN_ERR_MISMATCH, "algorithm");
  expect_refused([](Wish& wish, int) { wish.terms.options.algorithm = "magic"; }, BANYAN_ERR_NOT_FOUND, "magic");
}

TEST(WeightedFailure, MoreRowsThanFitThenAllRanksNameThePairAndMayStartAgain) {
  const auto outcomes = run_ranks(consecutive({2, 2}), {}, [](Engine& engine) {
    const int rank = engine.communicator().rank();
    const auto weighted = make(engine, {});  // capacities of 2
    Data data;
    for (int round = 0; round < 3; ++round) {
      data.counts[3] = rank == 1 ? 5 : 2;
      const Outcome failed = outcome_of([&] { data.exchange(engine, *weighted); });
      EXPECT_EQ(failed.status, BANYAN_ERR_LIMIT) << rank;
      EXPECT_THAT(failed.text,
                  HasSubstr(rank == 1 || rank == 3 ? "rank 1 has 5 rows for rank 3, but the pair's capacity is 2"
                                                   : "rank 1 has more rows for rank 3 than the pair's capacity"));
      EXPECT_EQ(weighted->num_overflowed(), 1);
      data.counts[3] = 2;
      data.exchange(engine, *weighted);
      EXPECT_EQ(weighted->received(), std::vector<size_t>(kRanks, 2));
    }
  });
  for (const Outcome& outcome : outcomes) {
    EXPECT_EQ(outcome.status, BANYAN_OK) << outcome.text;
  }
}

TEST(WeightedFailure, RestIsNotFetchedThenTheNextStartSaysSo) {
  const auto outcomes = run_ranks(consecutive({2, 2}), {}, [](Engine& engine) {
    Wish wish;
    wish.terms.overflow = Overflow::kRest;
    const auto weighted = make(engine, wish);
    Data data;
    weighted->rest(nullptr, nullptr);  // nothing to do
    data.counts[0] = 3;
    data.exchange(engine, *weighted);
    EXPECT_EQ(outcome_of([&] { data.start(*weighted); }).status, BANYAN_ERR_INVALID_ARGUMENT);
    if (engine.communicator().rank() == 0) {
      EXPECT_EQ(outcome_of([&] { weighted->rest(nullptr, nullptr); }).status, BANYAN_ERR_INVALID_ARGUMENT);
    }
    std::vector<std::byte> rest(64);
    weighted->rest(rest.data(), nullptr);
    data.exchange(engine, *weighted);
    weighted->rest(rest.data(), nullptr);
    const auto other = make(engine, {});
    EXPECT_EQ(outcome_of([&] { other->rest(rest.data(), nullptr); }).status, BANYAN_ERR_INVALID_ARGUMENT);
  });
  for (const Outcome& outcome : outcomes) {
    EXPECT_EQ(outcome.status, BANYAN_OK) << outcome.text;
  }
}

TEST(WeightedFailure, BadArgumentsOfAStartThenNothingIsStarted) {
  const auto outcomes = run_ranks(consecutive({2, 2}), {}, [](Engine& engine) {
    const auto weighted = make(engine, {});
    Data data;
    const auto start = [&](const WeightedRows& rows) { return outcome_of([&] { weighted->start(rows); }).status; };
    const std::vector<size_t> huge = {2, SIZE_MAX, 2, 2};
    const std::vector<size_t> much = {2, size_t{1} << 31, 2, 2};
    const size_t* counts = data.counts.data();
    EXPECT_EQ(start({nullptr, counts, nullptr, data.receive.data(), nullptr}), BANYAN_ERR_INVALID_ARGUMENT);
    EXPECT_EQ(start({data.send.data(), counts, nullptr, nullptr, nullptr}), BANYAN_ERR_INVALID_ARGUMENT);
    EXPECT_EQ(start({data.send.data(), counts, nullptr, data.send.data(), nullptr}), BANYAN_ERR_NOT_SUPPORTED);
    EXPECT_EQ(start({data.send.data(), huge.data(), nullptr, data.receive.data(), nullptr}), BANYAN_ERR_LIMIT);
    EXPECT_EQ(start({data.send.data(), much.data(), nullptr, data.receive.data(), nullptr}), BANYAN_ERR_LIMIT);
    EXPECT_EQ(start({data.send.data(), counts, huge.data(), data.receive.data(), nullptr}), BANYAN_ERR_LIMIT);
    EXPECT_EQ(start({data.send.data(), counts, nullptr, data.receive.data(), huge.data()}), BANYAN_ERR_LIMIT);
    data.exchange(engine, *weighted);
  });
  for (const Outcome& outcome : outcomes) {
    EXPECT_EQ(outcome.status, BANYAN_OK) << outcome.text;
  }
}

TEST(WeightedFailure, StartedTwiceOrPlannedMeanwhileThenBusyAndTheExchangeIsUnharmed) {
  const auto outcomes = run_ranks(consecutive({2, 2}), {}, [](Engine& engine) {
    const auto weighted = make(engine, {});
    const auto other = make(engine, {});
    Data data;
    data.start(*weighted);
    Data more;
    more.counts.assign(kRanks, 1);
    EXPECT_EQ(outcome_of([&] { more.start(*weighted); }).status, BANYAN_ERR_BUSY);
    EXPECT_EQ(outcome_of([&] { more.start(*other); }).status, BANYAN_ERR_BUSY);
    EXPECT_EQ(outcome_of([&] { static_cast<void>(make(engine, {})); }).status, BANYAN_ERR_BUSY);
    engine.wait(weighted->request());
    weighted->finish();
    EXPECT_EQ(weighted->received(), std::vector<size_t>(kRanks, 2));
  });
  for (const Outcome& outcome : outcomes) {
    EXPECT_EQ(outcome.status, BANYAN_OK) << outcome.text;
  }
}

/// Rank 1 does something else while the others exchange; all must fail.
void expect_all_fail(const std::string& algorithm, const std::function<void(Engine&, Weighted&, Weighted&)>& otherwise,
                     const ::testing::Matcher<banyan_status>& status) {
  comm::Settings settings;
  settings.timeout_s = 1;
  const auto outcomes = run_ranks(consecutive({2, 2}), settings, [&](Engine& engine) {
    Wish wish;
    wish.terms.options.algorithm = algorithm;
    const auto one = make(engine, wish);
    const auto two = make(engine, wish);
    if (engine.communicator().rank() == 1) {
      otherwise(engine, *one, *two);
    } else {
      Data().exchange(engine, *one);
      Data().exchange(engine, *two);
    }
    engine.barrier();
  });
  for (const Outcome& outcome : outcomes) {
    EXPECT_THAT(outcome.status, status) << algorithm << ": " << outcome.text;
  }
}

TEST(WeightedFailure, OneRankDoesSomethingElseThenAllRanksFail) {
  for (const std::string algorithm : {"direct", "hierarchical(rail)", "hierarchical(node)"}) {
    expect_all_fail(
        algorithm,
        [](Engine& engine, Weighted& one, Weighted& two) {
          Data().exchange(engine, two);
          Data().exchange(engine, one);
        },
        AnyOf(BANYAN_ERR_MISMATCH, BANYAN_ERR_TIMEOUT));
    expect_all_fail(
        algorithm,
        [](Engine& engine, Weighted&, Weighted&) {
          const std::vector<size_t> zeros(kRanks, 0);
          engine.alltoallv(nullptr, nullptr, {zeros, zeros, zeros, zeros}, {});
        },
        AnyOf(BANYAN_ERR_MISMATCH, BANYAN_ERR_TIMEOUT));
    expect_all_fail(
        algorithm,
        [](Engine& engine, Weighted&, Weighted&) {
          engine.communicator().control().abort(BANYAN_ERR_ABORTED, "enough");
        },
        ::testing::Eq(BANYAN_ERR_ABORTED));
    expect_all_fail(
        algorithm,
        [](Engine& engine, Weighted&, Weighted&) {
          while (!engine.communicator().control().state().raised()) {
            std::this_thread::yield();
          }
        },
        AnyOf(BANYAN_ERR_TIMEOUT, BANYAN_ERR_MISMATCH));
  }
}

}  // namespace
}  // namespace banyan::coll
