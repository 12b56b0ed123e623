// SPDX-License-Identifier: Apache-2.0
// Exchanges that are repeated while their ways are tried: data arrive whatever the way, all ranks take the same one.
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "rank_threads.hpp"

namespace banyan::coll {
namespace {

using testing::consecutive;
using testing::run_ranks;

constexpr int kCalls = 2000;  // more than the first trials take

std::byte pattern(int from, int to, int call, size_t position) {
  return static_cast<std::byte>(from * 41 + to * 17 + call * 7 + static_cast<int>(position % 239) * 3);
}

/// The same bytes for each pair, as an all-to-all or as an all-to-all-v; returns wrong bytes.
size_t exchange(Engine& engine, size_t bytes, int call, bool uniform) {
  const int rank = engine.communicator().rank();
  const auto size = static_cast<size_t>(engine.communicator().size());
  std::vector<std::byte> out(size * bytes);
  std::vector<std::byte> in(size * bytes, std::byte{0xEE});
  std::vector<size_t> sizes(size, bytes);
  std::vector<size_t> offsets(size);
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = pattern(rank, static_cast<int>(i / bytes), call, i % bytes);
  }
  for (size_t peer = 0; peer < size; ++peer) {
    offsets[peer] = peer * bytes;
  }
  if (uniform) {
    engine.alltoall(out.data(), in.data(), bytes, {});
  } else {
    engine.alltoallv(out.data(), in.data(), {sizes, offsets, sizes, offsets}, {});
  }
  size_t wrong = 0;
  for (size_t i = 0; i < in.size(); ++i) {
    wrong += in[i] != pattern(static_cast<int>(i / bytes), rank, call, i % bytes) ? 1 : 0;
  }
  return wrong;
}

comm::Settings settings_with_timeout() {
  comm::Settings settings;
  settings.timeout_s = 60;
  return settings;
}

void expect_ok(const std::vector<testing::Outcome>& outcomes) {
  for (const auto& outcome : outcomes) {
    EXPECT_EQ(outcome.status, BANYAN_OK) << outcome.text;
  }
}

/// So many calls of so many bytes per pair.
struct Series {
  size_t bytes;
  int calls = kCalls;
};

/// Trials of each rank after each series, rank by rank.
std::vector<std::vector<uint64_t>> trials_after(const std::vector<Series>& all, bool uniform, comm::Settings settings) {
  std::vector<std::vector<uint64_t>> trials(5);
  expect_ok(run_ranks(consecutive({2, 3}), settings, [&](Engine& engine) {
    size_t wrong = 0;
    for (const Series& series : all) {
      for (int call = 0; call < series.calls; ++call) {
        wrong += exchange(engine, series.bytes, call, uniform);
      }
      trials[static_cast<size_t>(engine.communicator().rank())].push_back(engine.trials());
    }
    EXPECT_EQ(wrong, 0U);
  }));
  for (const auto& of_rank : trials) {
    EXPECT_EQ(of_rank, trials[0]);
  }
  return trials;
}

uint64_t trials_of(const Series& series, bool uniform, comm::Settings settings) {
  return trials_after({series}, uniform, std::move(settings))[0][0];
}

TEST(Tuned, UniformExchangesTryWaysAndAllBytesArrive) {
  const uint64_t trials = trials_of({100}, true, settings_with_timeout());
  EXPECT_GT(trials, 0U);
  EXPECT_LT(trials, uint64_t{kCalls});
}

TEST(Tuned, EachSizeOfAnAlltoallvHasItsOwnTrials) {
  const auto trials = trials_after({{8}, {200, 150}}, false, settings_with_timeout())[0];
  EXPECT_GT(trials[0], 0U);
  EXPECT_GT(trials[1], trials[0] + 10);
}

TEST(Tuned, WhereNothingIsAggregatedNothingIsTried) {
  EXPECT_EQ(trials_of({size_t{1} << 21, 8}, false, settings_with_timeout()), 0U);
}

TEST(Tuned, SwitchedOffNothingIsTried) {
  comm::Settings settings = settings_with_timeout();
  settings.tunes = false;
  EXPECT_EQ(trials_of({100}, true, settings), 0U);
  EXPECT_EQ(trials_of({100}, false, settings), 0U);
}

TEST(Tuned, ANamedAlgorithmIsUsed) {
  comm::Settings settings = settings_with_timeout();
  settings.algorithm = "hierarchical(rail)";
  EXPECT_EQ(trials_of({100}, true, settings), 0U);
}

TEST(Tuned, PersistentAndOneShotCallsShareTrials) {
  expect_ok(run_ranks(consecutive({2, 2}), settings_with_timeout(), [&](Engine& engine) {
    constexpr size_t kBytes = 64;
    std::vector<std::byte> out(4 * kBytes, std::byte{1});
    std::vector<std::byte> in(4 * kBytes);
    const auto request = engine.alltoall_init(out.data(), in.data(), kBytes, {});
    for (int call = 0; call < kCalls; ++call) {
      engine.start(*request);
      engine.wait(*request);
      engine.alltoall(out.data(), in.data(), kBytes, {});
    }
    EXPECT_GT(engine.trials(), 0U);
    EXPECT_LT(engine.trials(), uint64_t{kCalls});
    EXPECT_EQ(in, out);
  }));
}

TEST(Tuned, RanksThatDisagreeOnBytesDuringTrialsFail) {
  const auto outcomes = run_ranks(consecutive({2, 2}), settings_with_timeout(), [&](Engine& engine) {
    for (int call = 0; call < kCalls; ++call) {
      const bool odd = call == 6 && engine.communicator().rank() == 3;
      static_cast<void>(exchange(engine, odd ? 200 : 100, call, true));
    }
  });
  for (const auto& outcome : outcomes) {
    EXPECT_EQ(outcome.status, BANYAN_ERR_MISMATCH) << outcome.text;
    EXPECT_NE(outcome.text.find("bytes per pair"), std::string::npos) << outcome.text;
  }
}

}  // namespace
}  // namespace banyan::coll
