// SPDX-License-Identifier: Apache-2.0
// Which way a repeated exchange takes.
#include "coll/tuner.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <functional>

namespace banyan::coll {
namespace {

/// Ranks that make the same calls. `time_s(rank, way, call)`: what the call takes there.
class Job {
 public:
  using Time = std::function<double(size_t rank, size_t way, uint64_t call)>;
  Job(size_t num_ranks, size_t num_ways, Time time_s)
      : tuners_(num_ranks, Tuner(num_ways)), time_s_(std::move(time_s)) {}

  /// Makes calls; the ways that they took.
  std::vector<size_t> run(uint64_t calls) {
    std::vector<size_t> ways;
    for (uint64_t call = 0; call < calls; ++call) {
      std::vector<uint32_t> notes;
      for (const Tuner& tuner : tuners_) {
        EXPECT_EQ(tuner.way(), tuners_[0].way());
        EXPECT_EQ(tuner.carries_note(), tuners_[0].carries_note());
        notes.push_back(tuner.note());
      }
      const bool noted = tuners_[0].carries_note();
      noted_ += noted ? 1 : 0;
      ways.push_back(tuners_[0].way());
      for (size_t rank = 0; rank < tuners_.size(); ++rank) {
        tuners_[rank].finished(time_s_(rank, ways.back(), made_), noted ? std::span(notes) : std::span<uint32_t>());
      }
      ++made_;
    }
    return ways;
  }
  [[nodiscard]] uint64_t noted() const { return noted_; }

 private:
  std::vector<Tuner> tuners_;
  Time time_s_;
  uint64_t made_ = 0;
  uint64_t noted_ = 0;
};

constexpr uint64_t kTrials =
    3 * Tuner::kTrialCalls * Tuner::kRounds + 1;  // of three ways, and the call with the last notes

TEST(Tuner, TriesEachWayAndKeepsTheFastestAtTheSlowestRank) {
  const double times[2][3] = {{5e-5, 3e-5, 1e-5}, {5e-5, 3e-5, 9e-5}};
  Job job(2, 3, [&](size_t rank, size_t way, uint64_t) { return times[rank][way]; });
  const auto trials = job.run(kTrials);
  std::vector<size_t> expected;
  for (size_t call = 0; call + 1 < kTrials; ++call) {
    expected.push_back(call / Tuner::kTrialCalls % 3);
  }
  expected.push_back(2);  // the call that carries the last notes
  EXPECT_EQ(trials, expected);
  EXPECT_EQ(job.run(Tuner::kFirstPause), std::vector<size_t>(Tuner::kFirstPause, 1));
}

TEST(Tuner, WithoutAClearGainKeepsTheModelsChoice) {
  Job job(2, 3, [](size_t, size_t way, uint64_t) { return way == 0 ? 1e-4 : 0.97e-4; });
  static_cast<void>(job.run(kTrials));
  EXPECT_EQ(job.run(3), std::vector<size_t>(3, 0));
}

TEST(Tuner, TheFirstCallOfATrialIsNotTimed) {
  Job job(2, 2, [](size_t, size_t way, uint64_t call) {
    return way == 1 && call % Tuner::kTrialCalls == 0 ? 1.0 : 1.0 / static_cast<double>(1 + way);
  });
  static_cast<void>(job.run(2 * Tuner::kTrialCalls * Tuner::kRounds + 1));
  EXPECT_EQ(job.run(1), std::vector<size_t>({1}));
}

TEST(Tuner, AHiccupInOneTrialDoesNotCount) {
  Job job(2, 2, [](size_t, size_t way, uint64_t call) {
    return call == Tuner::kTrialCalls + 2 ? 1.0 : way == 1 ? 1e-5 : 2e-5;
  });
  static_cast<void>(job.run(2 * Tuner::kTrialCalls * Tuner::kRounds + 1));
  EXPECT_EQ(job.run(1), std::vector<size_t>({1}));
}

TEST(Tuner, RanksThatAreLateInTurnDoNotMakeAWayLookFast) {
  // Way 1: each rank has a short call after a long one.
  Job job(2, 2, [](size_t rank, size_t way, uint64_t call) {
    return way == 0 ? 3e-5 : (call + rank) % 2 == 0 ? 9e-5 : 1e-6;
  });
  static_cast<void>(job.run(2 * Tuner::kTrialCalls * Tuner::kRounds + 1));
  EXPECT_EQ(job.run(1), std::vector<size_t>({0}));
}

TEST(Tuner, LeavesOutWhatWasFarBehindUntilAPauseIsLong) {
  Job job(2, 3, [](size_t, size_t way, uint64_t) { return way == 2 ? 1e-3 : 1e-4; });
  const auto ways = job.run(6000);
  const auto first = ways.begin() + kTrials;
  EXPECT_EQ(std::count(first, first + 300, 2U), 0);
  EXPECT_GT(std::count(first, ways.end(), 2U), 0);
}

TEST(Tuner, NoticesThatAnotherWayBecameFaster) {
  Job job(2, 2, [](size_t, size_t way, uint64_t call) { return (way == 1) == (call > 1000) ? 1e-5 : 1e-4; });
  EXPECT_EQ(job.run(900).back(), 0U);
  EXPECT_EQ(job.run(5000).back(), 1U);
}

TEST(Tuner, SpendsFewCallsOnTrials) {
  Job job(3, 4, [](size_t, size_t way, uint64_t) { return way == 0 ? 1e-5 : 3e-5; });
  constexpr uint64_t kCalls = 100000;
  const auto ways = job.run(kCalls);
  EXPECT_LT(std::count_if(ways.begin(), ways.end(), [](size_t way) { return way != 0; }), 500);
  EXPECT_LT(job.noted(), 150U);
}

TEST(Tuner, OfOneWayNeverCarriesNotes) {
  Job job(2, 1, [](size_t, size_t, uint64_t) { return 1e-5; });
  EXPECT_EQ(job.run(1000), std::vector<size_t>(1000, 0));
  EXPECT_EQ(job.noted(), 0U);
}

TEST(Tuner, AllRanksDecideAlikeWhateverTheTimes) {
  EXPECT_TRUE(rc::check("agreement", [](uint32_t seed) {
    const auto ranks = *rc::gen::inRange<size_t>(1, 5);
    const auto ways = *rc::gen::inRange<size_t>(1, 6);
    Job job(ranks, ways, [&](size_t rank, size_t way, uint64_t call) {
      uint64_t state = seed + rank * 7919 + way * 104729 + call * 15485863;
      state = (state ^ (state >> 13)) * 0x9E3779B97F4A7C15U;
      return 1e-6 * static_cast<double>(1 + state % 1000);
    });
    static_cast<void>(job.run(1500));
    RC_ASSERT(!::testing::Test::HasFailure());
  }));
}

TEST(Tuner, NotesGrowWithTime) {
  EXPECT_GT(Tuner::note_of(0), 0U);
  EXPECT_LT(Tuner::note_of(1e-5), Tuner::note_of(1.02e-5));
  EXPECT_LT(Tuner::note_of(1e9), uint32_t{1} << 20);
}

}  // namespace
}  // namespace banyan::coll
