// SPDX-License-Identifier: Apache-2.0
// Ranks that are processes: what the survivors learn when one dies, and what a clean run leaves behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "bootstrap/control.hpp"
#include "bootstrap/tcp_bootstrap.hpp"
#include "forked_ranks.hpp"

namespace banyan::bootstrap {
namespace {

using banyan::testing::eventually;
using banyan::testing::ForkedRanks;
using ::testing::HasSubstr;

// Beyond the test's own limit: an error that comes in time was noticed, not timed out.
constexpr double kNeverPasses = 3600;

double now_s() { return std::chrono::duration<double>(Deadline::Clock::now().time_since_epoch()).count(); }

size_t open_descriptors() {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}
size_t threads() {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/task"), {}));
}

/// Rank 0 makes the id, the others get it from the shared memory.
std::unique_ptr<Bootstrap> meet(int rank, int size, ForkedRanks::Shared& shared) {
  const Deadline deadline = Deadline::in(kNeverPasses);
  if (rank == 0) {
    create_unique_id("lo", deadline).write(shared.id);
    shared.id_ready = true;
  }
  if (!eventually([&] { return shared.id_ready.load(); })) {
    throw Error(BANYAN_ERR_TIMEOUT, "rank 0 made no id");
  }
  return make_tcp_bootstrap(UniqueId::read(shared.id), rank, size, "", deadline);
}

[[noreturn]] void sleep_for_ever() {
  while (true) {
    ::pause();
  }
}

/// Every rank but `victim` learnt that it failed.
void expect_named(ForkedRanks& ranks, int size, int victim, double killed_at) {
  ASSERT_TRUE(ranks.all_done(victim));
  double slowest = 0;
  for (int rank = 0; rank < size; ++rank) {
    if (rank != victim) {
      EXPECT_EQ(ranks.report(rank).status, BANYAN_ERR_PEER_FAILED)
          << "rank " << rank << ": " << ranks.report(rank).text;
      EXPECT_THAT(ranks.report(rank).text, HasSubstr("rank " + std::to_string(victim) + " "));
      slowest = std::max(slowest, ranks.report(rank).seconds - killed_at);
    }
  }
  ::testing::Test::RecordProperty("slowest_survivor_ms", std::to_string(slowest * 1e3));
}

void run_exchange_death(int victim) {
  constexpr int kSize = 4;
  ForkedRanks ranks(kSize, [victim](int rank, ForkedRanks::Shared& shared) {
    const auto bootstrap = meet(rank, kSize, shared);
    shared.reports[rank].stage = 1;
    if (rank == victim) {
      sleep_for_ever();
    }
    try {
      bootstrap->barrier(Deadline::in(kNeverPasses));
    } catch (const Error&) {
      shared.reports[rank].seconds = now_s();
      throw;
    }
  });
  ASSERT_TRUE(ranks.all_reach(1));
  const double killed_at = now_s();
  ranks.kill(victim);
  expect_named(ranks, kSize, victim, killed_at);
}

TEST(Processes, KilledRankIsNamedInTheExchange) { run_exchange_death(2); }
TEST(Processes, KilledRootIsNamedInTheExchange) { run_exchange_death(0); }

TEST(Processes, RootKilledWhileRanksAreAwaitedIsNoHang) {
  // Rank 2 never comes, so ranks 0 and 1 wait for it when rank 0 dies; rank 1's deadline is short, as a root that died
  // before the handshake cannot be told from one that will still come.
  ForkedRanks ranks(3, [](int rank, ForkedRanks::Shared& shared) {
    if (rank == 2) {
      sleep_for_ever();
    }
    if (rank == 0) {
      static_cast<void>(meet(0, 3, shared));
    }
    eventually([&] { return shared.id_ready.load(); });
    static_cast<void>(make_tcp_bootstrap(UniqueId::read(shared.id), 1, 3, "", Deadline::in(2)));
  });
  ASSERT_TRUE(eventually([&] { return ranks.shared().id_ready.load(); }));
  ranks.kill(0);
  ASSERT_TRUE(eventually([&] { return ranks.report(1).done.load(); }));
  EXPECT_TRUE(ranks.report(1).status == BANYAN_ERR_PEER_FAILED || ranks.report(1).status == BANYAN_ERR_TIMEOUT)
      << ranks.report(1).text;
}

/// All ranks watch; the victim is killed, or ends by itself.
void run_control_death(int victim, bool by_exit) {
  constexpr int kSize = 4;
  ForkedRanks ranks(kSize, [=](int rank, ForkedRanks::Shared& shared) {
    const auto bootstrap = meet(rank, kSize, shared);
    const auto control = make_control(*bootstrap, "", Deadline::in(kNeverPasses));
    shared.reports[rank].stage = 1;
    if (rank == victim) {
      if (by_exit) {
        eventually([&] { return shared.reports[rank].stage == 2; });
        ::_exit(0);
      }
      sleep_for_ever();
    }
    eventually([&] { return control->state().raised(); });
    shared.reports[rank].seconds = now_s();
    throw Error(control->state().status(), control->state().text());
  });
  ASSERT_TRUE(ranks.all_reach(1));
  const double killed_at = now_s();
  if (by_exit) {
    ranks.report(victim).stage = 2;
  } else {
    ranks.kill(victim);
  }
  expect_named(ranks, kSize, victim, killed_at);
}

TEST(Processes, KilledRankIsNamedByTheControlPlane) { run_control_death(2, false); }
TEST(Processes, KilledRootIsNamedByTheControlPlane) { run_control_death(0, false); }
TEST(Processes, RankThatExitsWithoutGoodbyeIsNamedByTheControlPlane) { run_control_death(3, true); }

TEST(Processes, ChildOfAKilledRankDoesNotHideItsDeath) {
  constexpr int kSize = 3;
  ForkedRanks ranks(kSize, [](int rank, ForkedRanks::Shared& shared) {
    const auto bootstrap = meet(rank, kSize, shared);
    const auto control = make_control(*bootstrap, "", Deadline::in(kNeverPasses));
    if (rank == 1) {
      const pid_t child = ::fork();  // as a data loader does
      if (child == 0) {
        sleep_for_ever();
      }
      shared.reports[rank].child = child;
      shared.reports[rank].stage = 1;
      sleep_for_ever();
    }
    shared.reports[rank].stage = 1;
    eventually([&] { return control->state().raised(); });
    shared.reports[rank].seconds = now_s();
    throw Error(control->state().status(), control->state().text());
  });
  ASSERT_TRUE(ranks.all_reach(1));
  const double killed_at = now_s();
  ranks.kill(1);
  expect_named(ranks, kSize, 1, killed_at);
}

TEST(Processes, ForkedChildCanDestroyItsCopyWithoutHarm) {
  ForkedRanks ranks(2, [](int rank, ForkedRanks::Shared& shared) {
    const auto bootstrap = meet(rank, 2, shared);
    auto control = make_control(*bootstrap, "", Deadline::in(kNeverPasses));
    if (rank == 1) {
      const pid_t child = ::fork();
      if (child == 0) {
        control.reset();
        ::_exit(17);
      }
      int status = 0;
      if (::waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 17) {
        throw Error(BANYAN_ERR_INTERNAL, "the child did not get through");
      }
    }
    bootstrap->barrier(Deadline::in(kNeverPasses));
    if (control->state().raised()) {
      throw Error(control->state().status(), control->state().text());
    }
    control->leave();
  });
  ASSERT_TRUE(ranks.all_done());
  EXPECT_EQ(ranks.report(0).status, BANYAN_OK) << ranks.report(0).text;
  EXPECT_EQ(ranks.report(1).status, BANYAN_OK) << ranks.report(1).text;
}

TEST(Processes, AbortJustBeforeTheEndOfTheProcessReachesTheOthersWithItsCause) {
  ForkedRanks ranks(3, [](int rank, ForkedRanks::Shared& shared) {
    const auto bootstrap = meet(rank, 3, shared);
    const auto control = make_control(*bootstrap, "", Deadline::in(kNeverPasses));
    bootstrap->barrier(Deadline::in(kNeverPasses));
    if (rank == 2) {
      control->abort(BANYAN_ERR_MISMATCH, "the cause");
      ::_exit(1);
    }
    eventually([&] { return control->state().raised(); });
    throw Error(control->state().status(), control->state().text());
  });
  ASSERT_TRUE(ranks.all_done(2));
  for (const int rank : {0, 1}) {
    EXPECT_EQ(ranks.report(rank).status, BANYAN_ERR_MISMATCH);
    EXPECT_STREQ(ranks.report(rank).text, "the cause");
  }
}

TEST(Processes, CleanEndRaisesNothingAndLeavesNoDescriptorNorThread) {
  constexpr int kSize = 5;
  ForkedRanks ranks(kSize, [](int rank, ForkedRanks::Shared& shared) {
    std::thread([] {}).join();  // with the first thread ThreadSanitizer starts one of its own
    const size_t descriptors_before = open_descriptors();
    const size_t threads_before = threads();
    {
      const auto bootstrap = meet(rank, kSize, shared);
      const auto control = make_control(*bootstrap, "", Deadline::in(kNeverPasses));
      bootstrap->barrier(Deadline::in(kNeverPasses));
      control->leave();
      if (control->state().raised()) {
        throw Error(control->state().status(), control->state().text());
      }
    }
    // The thread that guarded the id's socket ends by itself.
    if (!eventually([&] { return open_descriptors() == descriptors_before && threads() == threads_before; })) {
      throw Error(BANYAN_ERR_INTERNAL, "descriptors or threads are left");
    }
  });
  ASSERT_TRUE(ranks.all_done());
  for (int rank = 0; rank < kSize; ++rank) {
    EXPECT_EQ(ranks.report(rank).status, BANYAN_OK) << "rank " << rank << ": " << ranks.report(rank).text;
  }
}

TEST(Processes, SixtyFourRanksGetBootstrapAndControl) {
  constexpr int kSize = 64;
  const double begin = now_s();
  ForkedRanks ranks(kSize, [](int rank, ForkedRanks::Shared& shared) {
    const auto bootstrap = meet(rank, kSize, shared);
    const auto control = make_control(*bootstrap, "", Deadline::in(kNeverPasses));
    const auto names = bootstrap->allgather_strings("rank " + std::to_string(rank), Deadline::in(kNeverPasses));
    shared.reports[rank].seconds = now_s();
    bootstrap->barrier(Deadline::in(kNeverPasses));
    if (names[63] != "rank 63" || control->state().raised()) {
      throw Error(BANYAN_ERR_INTERNAL, "rank 63 shared " + names[63] + "; " + control->state().text());
    }
    control->leave();
  });
  ASSERT_TRUE(ranks.all_done());
  double slowest = 0;
  for (int rank = 0; rank < kSize; ++rank) {
    EXPECT_EQ(ranks.report(rank).status, BANYAN_OK) << "rank " << rank << ": " << ranks.report(rank).text;
    slowest = std::max(slowest, ranks.report(rank).seconds - begin);
  }
  RecordProperty("slowest_rank_ms", std::to_string(slowest * 1e3));
  std::printf("64 ranks had bootstrap and control after %.0f ms\n", slowest * 1e3);
}

}  // namespace
}  // namespace banyan::bootstrap
