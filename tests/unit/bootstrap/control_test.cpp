// SPDX-License-Identifier: Apache-2.0
// The control planes over threads and over TCP must pass the same exam; death of processes is in tests/multiproc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <barrier>
#include <future>

#include "bootstrap/local_bootstrap.hpp"
#include "bootstrap/stall_table.hpp"
#include "threads.hpp"

namespace banyan::bootstrap {
namespace {

using ::testing::HasSubstr;

constexpr double kGenerous = 60;

enum class Kind { kLocal, kTcp };

class ControlPlane : public ::testing::TestWithParam<Kind> {
 protected:
  /// The controls of a job of `size` ranks, all in this process.
  void make(int size) {
    auto ends = make_local_bootstraps(size);
    controls_.resize(static_cast<size_t>(size));
    const auto outcomes = testing::run_ranks(size, [&](int rank) {
      Bootstrap& bootstrap = *ends[static_cast<size_t>(rank)];
      controls_[static_cast<size_t>(rank)] = GetParam() == Kind::kLocal
                                                 ? make_control(bootstrap, "", Deadline::in(kGenerous))
                                                 : make_tcp_control(bootstrap, "", Deadline::in(kGenerous));
    });
    for (const auto& outcome : outcomes) {
      ASSERT_EQ(testing::text_of(outcome), "no error");
    }
  }

  void TearDown() override {
    for (auto& control : controls_) {
      if (control) {
        control->leave();
      }
    }
  }

  Control& at(int rank) { return *controls_[static_cast<size_t>(rank)]; }

  /// Waits for the condition; false only after a deadline far beyond what any machine needs.
  static bool eventually(const std::function<bool()>& condition) {
    const Deadline deadline = Deadline::in(kGenerous);
    while (!condition()) {
      if (deadline.passed()) {
        return false;
      }
      std::this_thread::yield();
    }
    return true;
  }

  void expect_raised(int rank, banyan_status status, const std::string& text) {
    ASSERT_TRUE(eventually([&] { return at(rank).state().raised(); })) << "rank " << rank;
    EXPECT_EQ(at(rank).state().status(), status) << at(rank).state().text();
    EXPECT_THAT(at(rank).state().text(), HasSubstr(text)) << "rank " << rank;
  }

  static OperationReport report(uint64_t sequence, std::string operation, std::vector<int> waiting_for) {
    return {.sequence = sequence,
            .fields = {{"operation", std::move(operation)}, {"bytes per pair", "64"}},
            .waiting_for = std::move(waiting_for)};
  }

  /// Reports as a rank does that waits in vain.
  void stall(int rank, const OperationReport& report) {
    for (int i = 0; i < StallTable::kSuspiciousReports; ++i) {
      at(rank).report_stall(report);
    }
  }

  std::vector<std::unique_ptr<Control>> controls_;
};

INSTANTIATE_TEST_SUITE_P(Kinds, ControlPlane, ::testing::Values(Kind::kLocal, Kind::kTcp),
                         [](const auto& one) { return one.param == Kind::kLocal ? "local" : "tcp"; });

TEST_P(ControlPlane, NothingIsRaisedAtFirst) {
  make(3);
  for (int rank = 0; rank < 3; ++rank) {
    EXPECT_FALSE(at(rank).state().raised());
  }
}

TEST_P(ControlPlane, AbortOfOneRankReachesAllWithStatusAndText) {
  make(4);
  at(2).abort(BANYAN_ERR_TIMEOUT, "rank 1 did not answer");
  for (int rank = 0; rank < 4; ++rank) {
    expect_raised(rank, BANYAN_ERR_TIMEOUT, "rank 1 did not answer");
  }
}

TEST_P(ControlPlane, AbortOfTheRootReachesAll) {
  make(3);
  at(0).abort(BANYAN_ERR_ABORTED, "told to stop");
  for (int rank = 0; rank < 3; ++rank) {
    expect_raised(rank, BANYAN_ERR_ABORTED, "told to stop");
  }
}

TEST_P(ControlPlane, OwnStateIsRaisedWhenAbortReturns) {
  make(2);
  at(1).abort(BANYAN_ERR_ABORTED, "now");
  EXPECT_TRUE(at(1).state().raised());
}

TEST_P(ControlPlane, FirstCauseWins) {
  make(2);
  at(1).abort(BANYAN_ERR_ABORTED, "first");
  expect_raised(0, BANYAN_ERR_ABORTED, "first");
  at(0).abort(BANYAN_ERR_IO, "second");
  expect_raised(0, BANYAN_ERR_ABORTED, "first");
  expect_raised(1, BANYAN_ERR_ABORTED, "first");
}

TEST_P(ControlPlane, RanksThatLeaveAreNotFailures) {
  make(4);
  at(3).leave();
  at(1).leave();
  at(2).abort(BANYAN_ERR_ABORTED, "after two left");  // also proves that the root has seen what came before
  expect_raised(0, BANYAN_ERR_ABORTED, "after two left");
  expect_raised(2, BANYAN_ERR_ABORTED, "after two left");
}

TEST_P(ControlPlane, RootThatLeavesFirstIsNotAFailure) {
  make(3);
  at(0).leave();
  at(1).abort(BANYAN_ERR_ABORTED, "own");
  EXPECT_EQ(at(1).state().text(), "own");
  at(2).leave();
  if (GetParam() == Kind::kTcp) {  // threads share memory and still hear each other
    EXPECT_FALSE(at(2).state().raised()) << at(2).state().text();
  }
}

TEST_P(ControlPlane, RankDestroyedWithoutGoodbyeIsAFailureThatNamesIt) {
  make(3);
  controls_[2].reset();
  expect_raised(0, BANYAN_ERR_PEER_FAILED, "rank 2 of 3");
  expect_raised(1, BANYAN_ERR_PEER_FAILED, "rank 2 of 3");
}

TEST_P(ControlPlane, RootDestroyedWithoutGoodbyeIsAFailureThatNamesIt) {
  make(3);
  controls_[0].reset();
  expect_raised(1, BANYAN_ERR_PEER_FAILED, "rank 0 of 3");
  expect_raised(2, BANYAN_ERR_PEER_FAILED, "rank 0 of 3");
}

TEST_P(ControlPlane, StalledRanksThatDisagreeLearnRanksFieldAndValues) {
  make(4);
  OperationReport other = report(7, "alltoall", {1});
  other.fields[1].second = "128";
  at(1).report_stall(report(7, "alltoall", {3}));
  at(3).report_stall(other);
  for (int rank = 0; rank < 4; ++rank) {
    expect_raised(rank, BANYAN_ERR_MISMATCH,
                  "operation 7: rank 1 has bytes per pair 64, rank 3 has bytes per pair 128");
  }
}

TEST_P(ControlPlane, RanksInDifferentOperationsThatWaitForEachOtherAreToldSo) {
  make(3);
  at(0).operation_started(8);
  at(0).operation_finished(7);
  at(1).operation_started(7);
  at(1).operation_finished(6);
  at(0).report_stall(report(8, "barrier", {1}));
  stall(1, report(7, "alltoall", {0}));
  for (int rank = 0; rank < 3; ++rank) {
    expect_raised(rank, BANYAN_ERR_MISMATCH,
                  "rank 1 waits in operation 7 (alltoall) for rank 0, which waits in "
                  "operation 8 (barrier)");
  }
}

TEST_P(ControlPlane, RankThatLeftWhileOthersWaitForItIsNamed) {
  make(3);
  at(2).operation_started(1);
  at(1).leave();
  // The goodbye and the reports travel on different connections: what comes before it does not count.
  EXPECT_TRUE(eventually([&] {
    stall(2, report(1, "alltoall", {1}));
    return at(2).state().raised();
  }));
  expect_raised(0, BANYAN_ERR_MISMATCH, "for rank 1, which has left the communicator");
  expect_raised(2, BANYAN_ERR_MISMATCH, "for rank 1, which has left the communicator");
}

TEST_P(ControlPlane, RankThatNeverStartedIsNamedInTheDiagnosis) {
  make(3);
  for (int rank = 0; rank < 3; ++rank) {
    at(rank).operation_started(rank == 2 ? 4 : 5);
    at(rank).operation_finished(4);
  }
  at(0).report_stall(report(5, "alltoall", {2}));
  at(1).report_stall(report(5, "alltoall", {2}));
  const std::string expected = "rank 2 has not started operation 5 (alltoall), its last is operation 4";
  EXPECT_TRUE(eventually([&] { return at(0).diagnosis() == expected; })) << at(0).diagnosis();
  EXPECT_TRUE(eventually([&] { return at(1).diagnosis() == expected; })) << at(1).diagnosis();
  EXPECT_FALSE(at(0).state().raised()) << at(0).state().text();
}

TEST_P(ControlPlane, StalledRanksThatAgreeAreLeftAlone) {
  make(3);
  for (int rank = 0; rank < 3; ++rank) {
    at(rank).operation_started(5);
    at(rank).operation_finished(4);
    at(rank).report_stall(report(5, "alltoall", {(rank + 1) % 3}));
  }
  // Rank 2's report has been judged when a later abort of rank 2 shows: frames of a rank keep their order.
  at(2).abort(BANYAN_ERR_ABORTED, "end of test");
  expect_raised(0, BANYAN_ERR_ABORTED, "end of test");
}

TEST_P(ControlPlane, ReportOfAFinishedOperationIsNoDisagreement) {
  make(2);
  at(1).report_stall(report(7, "alltoall", {0}));
  at(1).operation_started(7);
  at(1).operation_finished(7);  // it got there after all
  at(0).operation_started(9);
  at(0).operation_finished(8);
  at(0).report_stall(report(9, "alltoall", {1}));
  const std::string expected = "rank 1 has not started operation 9 (alltoall), its last is operation 7";
  EXPECT_TRUE(eventually([&] { return at(0).diagnosis() == expected; })) << at(0).diagnosis();
  EXPECT_FALSE(at(0).state().raised()) << at(0).state().text();
}

TEST_P(ControlPlane, ManyThreadsMayAbortAtOnceAndOneCauseWins) {
  make(4);
  testing::run_ranks(4, [&](int rank) { at(rank).abort(BANYAN_ERR_ABORTED, "from " + std::to_string(rank)); });
  for (int rank = 0; rank < 4; ++rank) {
    expect_raised(rank, BANYAN_ERR_ABORTED, "from ");
  }
}

TEST(TrivialControl, AbortRaisesTheOnlyState) {
  const auto control = make_trivial_control();
  control->report_stall({.sequence = 1, .fields = {}, .waiting_for = {}});
  EXPECT_FALSE(control->state().raised());
  control->abort(BANYAN_ERR_ABORTED, "alone");
  EXPECT_EQ(control->state().text(), "alone");
}

TEST(TcpControlSetup, UnknownInterfaceOfOneRankIsTheErrorOfAll) {
  auto ends = make_local_bootstraps(3);
  const auto outcomes = testing::run_ranks(3, [&](int rank) {
    static_cast<void>(
        make_tcp_control(*ends[static_cast<size_t>(rank)], rank == 1 ? "nosuch0" : "lo", Deadline::in(60)));
  });
  for (const auto& outcome : outcomes) {
    EXPECT_EQ(testing::status_of(outcome), BANYAN_ERR_NOT_FOUND);
    EXPECT_THAT(testing::text_of(outcome), HasSubstr("rank 1: no interface of \"nosuch0\""));
  }
}

TEST(LocalControl, AbortEndsAWaitingAllgather) {
  auto hub = make_local_hub(2);
  std::vector<std::unique_ptr<Control>> controls;
  controls.push_back(make_local_control(hub, 0));
  controls.push_back(make_local_control(hub, 1));
  const auto outcomes = testing::run_ranks(2, [&](int rank) {
    if (rank == 0) {
      make_local_bootstrap(hub, 0)->barrier(Deadline::in(kGenerous));
    } else {
      controls[1]->abort(BANYAN_ERR_ABORTED, "enough");
    }
  });
  EXPECT_EQ(testing::text_of(outcomes[0]), "enough");
}

}  // namespace
}  // namespace banyan::bootstrap
