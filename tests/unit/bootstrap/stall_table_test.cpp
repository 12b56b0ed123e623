// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/stall_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "bootstrap/control_frames.hpp"

namespace banyan::bootstrap {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

OperationReport report(uint64_t sequence, std::string bytes, std::vector<int> waiting_for) {
  return {.sequence = sequence,
          .fields = {{"operation", "alltoall"}, {"bytes per pair", std::move(bytes)}},
          .waiting_for = std::move(waiting_for)};
}

/// Reports as often as a suspicion needs, and returns what the last report brought.
std::optional<std::string> repeat(StallTable& table, int rank, const OperationReport& report) {
  std::optional<std::string> verdict;
  for (int i = 0; i < StallTable::kSuspiciousReports; ++i) {
    EXPECT_FALSE(verdict) << "after " << i << " reports";
    verdict = table.report(rank, report);
  }
  return verdict;
}

TEST(StallTable, EqualReportsAreNoDisagreement) {
  StallTable table(3);
  for (int rank = 0; rank < 3; ++rank) {
    EXPECT_FALSE(repeat(table, rank, report(4, "64", {(rank + 1) % 3})));
  }
  EXPECT_FALSE(table.disagreement());
}

TEST(StallTable, DisagreementNamesTwoRanksTheFieldAndBothValues) {
  StallTable table(4);
  table.report(0, report(4, "64", {}));
  table.report(3, report(4, "65", {}));
  EXPECT_THAT(table.disagreement(),
              Optional(HasSubstr("operation 4: rank 0 has bytes per pair 64, rank 3 has bytes per pair 65")));
}

TEST(StallTable, MissingFieldIsADisagreement) {
  StallTable table(2);
  OperationReport shorter = report(4, "64", {});
  shorter.fields.pop_back();
  table.report(0, shorter);
  table.report(1, report(4, "64", {}));
  EXPECT_THAT(table.disagreement(), Optional(HasSubstr("rank 1 has bytes per pair 64, rank 0 has none")));
}

TEST(StallTable, DifferentOperationsOfOneSequenceAreADisagreement) {
  StallTable table(2);
  OperationReport other = report(4, "64", {});
  other.fields[0].second = "barrier";
  table.report(0, report(4, "64", {}));
  table.report(1, other);
  EXPECT_THAT(table.disagreement(), Optional(HasSubstr("rank 0 has operation alltoall, rank 1 has operation barrier")));
}

TEST(StallTable, RankBehindThatWaitsForOneAheadIsSuspicious) {
  StallTable table(3);
  table.report(2, report(8, "64", {1}));
  EXPECT_THAT(repeat(table, 0, report(7, "64", {2})),
              Optional(HasSubstr("rank 0 waits in operation 7 (alltoall) for rank 2, which waits in "
                                 "operation 8 (alltoall)")));
}

TEST(StallTable, RankAheadThatWaitsForOneBehindIsPatience) {
  StallTable table(3);
  table.report(0, report(7, "64", {1}));
  EXPECT_FALSE(repeat(table, 2, report(8, "64", {0})));
}

TEST(StallTable, RankThatHasHeardFromOneAheadIsPatience) {
  StallTable table(3);
  table.report(2, report(8, "64", {0}));
  for (int i = 0; i < StallTable::kSuspiciousReports - 1; ++i) {
    table.report(0, report(7, "64", {1, 2}));
  }
  EXPECT_FALSE(repeat(table, 0, report(7, "64", {1})));
}

TEST(StallTable, ReportThatNamesNobodyWaitsForNobody) {
  StallTable table(3);
  table.report(2, report(8, "64", {0}));
  EXPECT_FALSE(repeat(table, 0, report(7, "64", {})));
}

TEST(StallTable, ReportOfAnOperationThatIsOverDoesNotStand) {
  StallTable table(2);
  table.report(1, report(8, "64", {0}));
  table.report(0, report(7, "64", {1}));
  table.progress(0, 7, 7);
  EXPECT_FALSE(repeat(table, 0, report(7, "64", {1})));
  EXPECT_FALSE(table.standing(0));
  EXPECT_TRUE(table.standing(1));
}

TEST(StallTable, WaitingForARankThatLeftIsSuspicious) {
  StallTable table(2);
  table.left(1);
  EXPECT_THAT(repeat(table, 0, report(7, "64", {1})),
              Optional(HasSubstr("for rank 1, which has left the communicator")));
}

TEST(StallTable, EachOperationBeginsWithoutSuspicion) {
  StallTable table(2);
  table.left(1);
  for (int i = 0; i < StallTable::kSuspiciousReports - 1; ++i) {
    table.report(0, report(7, "64", {1}));
  }
  EXPECT_TRUE(repeat(table, 0, report(8, "64", {1})));
}

TEST(StallTable, DiagnosisTellsWhoNeverStartedAndWhoFinished) {
  StallTable table(4);
  table.progress(1, 6, 6);
  table.progress(2, 7, 7);
  table.report(0, report(7, "64", {1, 2}));
  EXPECT_EQ(table.diagnosis(),
            "rank 1 has not started operation 7 (alltoall), its last is operation 6; rank 2 has "
            "finished operation 7 (alltoall)");
}

TEST(StallTable, DiagnosisTellsWhoDoesNotAnswerAlsoWhereNobodyWaitsForItDirectly) {
  StallTable table(4);
  // 2 waits for 0, which waits for 1 and has not reported; 1 is frozen.
  EXPECT_FALSE(table.report(2, report(5, "64", {0})));
  for (int question = 0; question < StallTable::kSilentQuestions; ++question) {
    EXPECT_EQ(table.diagnosis(), "");
    table.asked(1);
    table.asked(3);
    table.progress(3, 5, 4);
  }
  EXPECT_EQ(table.diagnosis(), "rank 1 does not answer (is it stopped, or its host?)");
  table.progress(1, 5, 4);
  EXPECT_EQ(table.diagnosis(), "");
}

TEST(StallTable, PeersThatCannotBeAreDropped) {
  StallTable table(2);
  EXPECT_FALSE(repeat(table, 0, report(7, "64", {0, 5, -1, 1})));
  EXPECT_EQ(table.diagnosis(), "");
}

TEST(ControlFrames, ReportSurvivesTheWire) {
  EXPECT_TRUE(rc::check([](uint64_t sequence, const std::vector<std::string>& values, std::vector<uint8_t> peers) {
    OperationReport before = {.sequence = sequence, .fields = {}, .waiting_for = {}};
    for (size_t i = 0; i < std::min(values.size(), kMaxReportFields); ++i) {
      before.fields.emplace_back("field", values[i].substr(0, kMaxReportTextBytes));
    }
    before.waiting_for.assign(peers.begin(), peers.end());
    const auto after = read_report(write_report(before));
    RC_ASSERT(after.has_value());
    RC_ASSERT(after->sequence == before.sequence);
    RC_ASSERT(after->fields == before.fields);
    RC_ASSERT(after->waiting_for == before.waiting_for);
  }));
}

TEST(ControlFrames, TruncatedOrLongerReportIsRefused) {
  const auto bytes = write_report(report(7, "64", {1, 2}));
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(read_report(Bytes(bytes).first(length))) << length;
  }
  auto longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(read_report(longer));
}

TEST(ControlFrames, RandomBytesNeverBreakTheReaders) {
  EXPECT_TRUE(rc::check([](const std::vector<unsigned char>& bytes) {
    const auto parsed = read_report(bytes);
    RC_ASSERT((!parsed || parsed->fields.size() <= kMaxReportFields));  // RC_ASSERT's own || evaluates both sides
    static_cast<void>(read_abort(bytes));
  }));
}

TEST(ControlFrames, AbortWithAStatusThatIsNoErrorIsRefused) {
  for (const uint32_t bad : {0U, 1U, 16U, 99U}) {
    EXPECT_FALSE(read_abort(WireWriter().u32(bad).text("x", 1).result())) << bad;
  }
  EXPECT_TRUE(read_abort(write_abort({.status = BANYAN_ERR_TIMEOUT, .text = "x"})));
}

}  // namespace
}  // namespace banyan::bootstrap
