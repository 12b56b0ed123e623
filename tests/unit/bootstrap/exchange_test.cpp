// SPDX-License-Identifier: Apache-2.0
// Every bootstrap must pass the same exam: threads, callbacks, TCP on loopback.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "bootstrap/abort_state.hpp"
#include "bootstrap/callback_bootstrap.hpp"
#include "bootstrap/local_bootstrap.hpp"
#include "bootstrap/tcp_bootstrap.hpp"
#include "threads.hpp"

namespace banyan::bootstrap {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using testing::run_ranks;
using testing::status_of;
using testing::text_of;

constexpr double kGenerous = 60;

/// Makes the bootstrap of one rank, on the rank's thread.
using Factory = std::function<std::unique_ptr<Bootstrap>(int rank)>;
/// Makes the factory of a job of `size` ranks.
using Kind = std::function<Factory(int size)>;

Factory local(int size) {
  auto hub = make_local_hub(size);
  return [hub](int rank) { return make_local_bootstrap(hub, rank); };
}

int gather_over(const void* mine, void* all, size_t bytes, void* context) {
  static_cast<Bootstrap*>(context)->allgather(mine, all, bytes, Deadline::in(kGenerous));
  return 0;
}

Factory callback(int size) {
  auto ends = std::make_shared<std::vector<std::unique_ptr<Bootstrap>>>(make_local_bootstraps(size));
  return [ends, size](int rank) {
    return make_callback_bootstrap(rank, size, &gather_over, (*ends)[static_cast<size_t>(rank)].get());
  };
}

Factory tcp(int size) {
  auto id = std::make_shared<UniqueId>(create_unique_id("lo", Deadline::in(kGenerous)));
  return [id, size](int rank) { return make_tcp_bootstrap(*id, rank, size, "", Deadline::in(kGenerous)); };
}

struct NamedKind {
  const char* name;
  Kind kind;
};

class Exchange : public ::testing::TestWithParam<NamedKind> {};

INSTANTIATE_TEST_SUITE_P(Kinds, Exchange,
                         ::testing::Values(NamedKind{"local", &local}, NamedKind{"callback", &callback},
                                           NamedKind{"tcp", &tcp}),
                         [](const auto& one) { return std::string(one.param.name); });

/// Runs `body` on every rank and expects no error.
void expect_success(const Kind& kind, int size, const std::function<void(Bootstrap&)>& body) {
  const Factory factory = kind(size);
  const auto outcomes = run_ranks(size, [&](int rank) {
    const auto bootstrap = factory(rank);
    body(*bootstrap);
  });
  for (const auto& outcome : outcomes) {
    EXPECT_EQ(text_of(outcome), "no error");
  }
}

std::vector<unsigned char> pattern(int rank, size_t bytes) {
  std::vector<unsigned char> data(bytes);
  for (size_t i = 0; i < bytes; ++i) {
    data[i] = static_cast<unsigned char>(static_cast<size_t>(rank) * 37 + i * 11 + i / 251);
  }
  return data;
}

void check_allgather(Bootstrap& bootstrap, size_t bytes) {
  std::vector<unsigned char> all(bytes * static_cast<size_t>(bootstrap.size()));
  bootstrap.allgather(pattern(bootstrap.rank(), bytes).data(), all.data(), bytes, Deadline::in(kGenerous));
  for (int rank = 0; rank < bootstrap.size(); ++rank) {
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(rank) * bytes);
    ASSERT_EQ(std::vector<unsigned char>(begin, begin + static_cast<std::ptrdiff_t>(bytes)), pattern(rank, bytes));
  }
}

TEST_P(Exchange, RankAndSizeAreThoseGiven) {
  std::atomic<int> sum = 0;
  expect_success(GetParam().kind, 4, [&](Bootstrap& bootstrap) {
    EXPECT_EQ(bootstrap.size(), 4);
    sum += 1 << bootstrap.rank();
  });
  EXPECT_EQ(sum, 15);
}

TEST_P(Exchange, AllgatherOfOneRankReturnsItsOwnBytes) {
  expect_success(GetParam().kind, 1, [](Bootstrap& bootstrap) { check_allgather(bootstrap, 100); });
}

TEST_P(Exchange, AllgatherDeliversEveryRanksBytesInOrder) {
  expect_success(GetParam().kind, 5, [](Bootstrap& bootstrap) { check_allgather(bootstrap, 17); });
}

TEST_P(Exchange, AllgatherOfNothingWorks) {
  expect_success(GetParam().kind, 3, [](Bootstrap& bootstrap) {
    bootstrap.allgather(nullptr, nullptr, 0, Deadline::in(kGenerous));
    check_allgather(bootstrap, 1);
  });
}

TEST_P(Exchange, AllgatherCarriesMoreThanSocketBuffersHold) {
  expect_success(GetParam().kind, 3, [](Bootstrap& bootstrap) { check_allgather(bootstrap, (size_t{9} << 20) + 5); });
}

TEST_P(Exchange, ManyAllgathersInARowStayApart) {
  expect_success(GetParam().kind, 4, [](Bootstrap& bootstrap) {
    for (size_t bytes = 1; bytes < 300; ++bytes) {
      check_allgather(bootstrap, bytes);
    }
  });
}

TEST_P(Exchange, StringsOfDifferentLengthsArriveWhole) {
  expect_success(GetParam().kind, 4, [](Bootstrap& bootstrap) {
    const std::string mine(static_cast<size_t>(bootstrap.rank()) * 1000, static_cast<char>('a' + bootstrap.rank()));
    const auto all = bootstrap.allgather_strings(mine, Deadline::in(kGenerous));
    for (size_t rank = 0; rank < all.size(); ++rank) {
      EXPECT_EQ(all[rank], std::string(rank * 1000, static_cast<char>('a' + rank)));
    }
  });
}

TEST_P(Exchange, EmptyStringsOfAllRanksArriveEmpty) {
  expect_success(GetParam().kind, 3, [](Bootstrap& bootstrap) {
    EXPECT_THAT(bootstrap.allgather_strings("", Deadline::in(kGenerous)), Each(std::string()));
  });
}

TEST_P(Exchange, StringOverTheLimitIsRefusedOnEveryRankByName) {
  const Factory factory = GetParam().kind(3);
  const auto outcomes = run_ranks(3, [&](int rank) {
    const auto bootstrap = factory(rank);
    const std::string mine(rank == 2 ? Bootstrap::kMaxStringBytes + 1 : 1, 'x');
    static_cast<void>(bootstrap->allgather_strings(mine, Deadline::in(kGenerous)));
  });
  for (const auto& outcome : outcomes) {
    EXPECT_EQ(status_of(outcome), BANYAN_ERR_LIMIT);
    EXPECT_THAT(text_of(outcome), HasSubstr("rank 2 shares a text of 67112961 bytes; the limit is 67112960"));
  }
}

TEST_P(Exchange, BarrierHoldsEarlyRanksUntilTheLastCame) {
  std::atomic<int> came = 0;
  expect_success(GetParam().kind, 4, [&](Bootstrap& bootstrap) {
    for (int round = 1; round <= 20; ++round) {
      ++came;
      bootstrap.barrier(Deadline::in(kGenerous));
      EXPECT_GE(came, 4 * round);
      bootstrap.barrier(Deadline::in(kGenerous));
    }
  });
}

/// Threads and TCP see each other's sizes; a callback's allgather is the caller's.
class Agreement : public Exchange {};
INSTANTIATE_TEST_SUITE_P(Kinds, Agreement, ::testing::Values(NamedKind{"local", &local}, NamedKind{"tcp", &tcp}),
                         [](const auto& one) { return std::string(one.param.name); });

TEST_P(Agreement, DifferentSizesAreAMismatchOnEveryRank) {
  const Factory factory = GetParam().kind(4);
  const auto outcomes = run_ranks(4, [&](int rank) {
    const auto bootstrap = factory(rank);
    std::vector<unsigned char> mine(16);
    std::vector<unsigned char> all(64);
    bootstrap->allgather(mine.data(), all.data(), rank == 2 ? 8 : 16, Deadline::in(kGenerous));
  });
  for (const auto& outcome : outcomes) {
    EXPECT_EQ(status_of(outcome), BANYAN_ERR_MISMATCH) << text_of(outcome);
    EXPECT_THAT(text_of(outcome), HasSubstr("rank 2"));
  }
}

TEST_P(Agreement, RankThatStaysAwayIsNamedOnEveryOther) {
  const Factory factory = GetParam().kind(4);
  std::mutex mutex;
  std::condition_variable changed;
  int finished = 0;
  const auto outcomes = run_ranks(4, [&](int rank) {
    const auto bootstrap = factory(rank);
    if (rank == 3) {  // alive, but elsewhere until the others have their error
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return finished == 3; });
      return;
    }
    const auto count = [&] {
      const std::lock_guard lock(mutex);
      ++finished;
      changed.notify_all();
    };
    try {
      bootstrap->barrier(Deadline::in(1));
    } catch (const Error&) {
      count();
      throw;
    }
    count();
  });
  for (int rank = 0; rank < 3; ++rank) {
    const auto& outcome = outcomes[static_cast<size_t>(rank)];
    EXPECT_EQ(status_of(outcome), BANYAN_ERR_TIMEOUT) << text_of(outcome);
    EXPECT_THAT(text_of(outcome), HasSubstr("rank 3 of 4"));
  }
}

TEST_P(Agreement, FailureSticks) {
  const Factory factory = GetParam().kind(2);
  const auto outcomes = run_ranks(2, [&](int rank) {
    const auto bootstrap = factory(rank);
    std::vector<unsigned char> all(64);
    try {
      bootstrap->allgather(all.data(), all.data() + 32, rank == 0 ? 1 : 2, Deadline::in(kGenerous));
    } catch (const Error&) {
      bootstrap->barrier(Deadline::in(kGenerous));
    }
  });
  for (const auto& outcome : outcomes) {
    EXPECT_EQ(status_of(outcome), BANYAN_ERR_MISMATCH) << text_of(outcome);
  }
}

TEST(CallbackBootstrap, NonZeroReturnIsAnErrorThatNamesIt) {
  const auto bootstrap = make_callback_bootstrap(
      1, 4, [](const void*, void*, size_t, void*) { return 42; }, nullptr);
  const auto outcomes = run_ranks(1, [&](int) { bootstrap->barrier(Deadline::in(kGenerous)); });
  EXPECT_EQ(status_of(outcomes[0]), BANYAN_ERR_IO);
  EXPECT_THAT(text_of(outcomes[0]), HasSubstr("returned 42 on rank 1 of 4"));
}

TEST(CallbackBootstrap, ReturnAfterTheDeadlineIsATimeout) {
  const auto bootstrap = make_callback_bootstrap(
      0, 1, [](const void*, void*, size_t, void*) { return 0; }, nullptr);
  const auto outcomes = run_ranks(1, [&](int) { bootstrap->barrier(Deadline::in(0)); });
  EXPECT_EQ(status_of(outcomes[0]), BANYAN_ERR_TIMEOUT);
}

TEST(CallbackBootstrap, NullCallbackIsRefused) {
  const auto outcomes = run_ranks(1, [&](int) { static_cast<void>(make_callback_bootstrap(0, 2, nullptr, nullptr)); });
  EXPECT_EQ(status_of(outcomes[0]), BANYAN_ERR_INVALID_ARGUMENT);
}

TEST(Bootstraps, RankOutsideTheSizeIsRefused) {
  for (const auto& [rank, size] : {std::pair{4, 4}, {-1, 4}, {0, 0}}) {
    const auto outcomes = run_ranks(1, [&, r = rank, s = size](int) { check_rank_and_size(r, s); });
    EXPECT_EQ(status_of(outcomes[0]), BANYAN_ERR_INVALID_ARGUMENT);
  }
}

/// A rank that knows of an abort does not come any more; the others must not wait for it until their deadline.
TEST(TcpBootstrap, AnExchangeEndsWithTheAbortThatItHeeds) {
  for (const int absent : {0, 1}) {
    const Factory factory = tcp(3);
    AbortState state;
    std::atomic<int> present = 0;
    const auto outcomes = run_ranks(3, [&](int rank) {
      const auto bootstrap = factory(rank);
      bootstrap->barrier(Deadline::in(kGenerous));
      if (rank == absent) {
        while (present < 2) {
          std::this_thread::yield();
        }
        state.raise(BANYAN_ERR_PEER_FAILED, "the cause");
        while (present > 0) {
          std::this_thread::yield();
        }
        return;
      }
      bootstrap->heed(&state);
      ++present;
      const Deadline limit = Deadline::in(kGenerous / 2);
      try {
        bootstrap->barrier(Deadline::in(kGenerous));
      } catch (const Error&) {
        --present;
        EXPECT_FALSE(limit.passed());
        throw;
      }
      --present;
    });
    for (int rank = 0; rank < 3; ++rank) {
      const auto& outcome = outcomes[static_cast<size_t>(rank)];
      EXPECT_EQ(status_of(outcome), rank == absent ? BANYAN_OK : BANYAN_ERR_PEER_FAILED) << text_of(outcome);
    }
  }
}

}  // namespace
}  // namespace banyan::bootstrap
