// SPDX-License-Identifier: Apache-2.0
#include "executor/reference_executor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <random>
#include <utility>

#include "base/error.hpp"
#include "schedule/schedules.hpp"
#include "schedule/verify.hpp"

namespace banyan::executor {
namespace {

using schedule::Schedule;
using ::testing::HasSubstr;

/// Buffers of all ranks for a matrix of sizes [n, n]. Blocks lie `gap` bytes apart, in reverse order of peers.
struct Buffers {
  struct Rank {
    std::vector<size_t> send_bytes, send_offsets, recv_bytes, recv_offsets;
    std::vector<std::byte> send, recv;
  };

  Buffers(size_t n, const std::vector<uint64_t>& sizes, size_t gap) : ranks(n) {
    for (size_t r = 0; r < n; ++r) {
      Rank& rank = ranks[r];
      rank.send_offsets.resize(n);
      rank.recv_offsets.resize(n);
      size_t send_end = gap;
      size_t recv_end = gap;
      for (size_t p = 0; p < n; ++p) {
        rank.send_bytes.push_back(sizes[r * n + p]);
        rank.recv_bytes.push_back(sizes[p * n + r]);
      }
      for (size_t p = n; p-- > 0;) {
        rank.send_offsets[p] = std::exchange(send_end, send_end + rank.send_bytes[p] + gap);
        rank.recv_offsets[p] = std::exchange(recv_end, recv_end + rank.recv_bytes[p] + gap);
      }
      rank.send.assign(send_end, std::byte{0xee});
      rank.recv.assign(recv_end, std::byte{0xdd});
      for (size_t p = 0; p < n; ++p) {
        for (size_t k = 0; k < rank.send_bytes[p]; ++k) {
          rank.send[rank.send_offsets[p] + k] = content(r, p, k);
        }
      }
    }
  }

  static std::byte content(size_t src, size_t dst, size_t k) {
    return static_cast<std::byte>((src * 31 + dst * 17 + k * 7 + 1) % 251);
  }

  [[nodiscard]] std::vector<Exchange> exchanges() {
    std::vector<Exchange> result;
    for (Rank& rank : ranks) {
      result.push_back({.sendbuf = rank.send.data(),
                        .recvbuf = rank.recv.data(),
                        .uniform = false,
                        .send_bytes = rank.send_bytes,
                        .send_offsets = rank.send_offsets,
                        .recv_bytes = rank.recv_bytes,
                        .recv_offsets = rank.recv_offsets});
    }
    return result;
  }

  /// What the receive buffer of `dst` must hold afterwards, gaps included.
  [[nodiscard]] std::vector<std::byte> expected(size_t dst) const {
    const Rank& rank = ranks[dst];
    std::vector<std::byte> result(rank.recv.size(), std::byte{0xdd});
    for (size_t src = 0; src < ranks.size(); ++src) {
      for (size_t k = 0; k < rank.recv_bytes[src]; ++k) {
        result[rank.recv_offsets[src] + k] = content(src, dst, k);
      }
    }
    return result;
  }

  [[nodiscard]] bool correct() const {
    for (size_t dst = 0; dst < ranks.size(); ++dst) {
      if (ranks[dst].recv != expected(dst)) {
        return false;
      }
    }
    return true;
  }

  std::vector<Rank> ranks;
};

std::vector<uint64_t> random_sizes(int n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint64_t> sizes(static_cast<size_t>(n) * static_cast<size_t>(n));
  for (uint64_t& size : sizes) {
    size = random() % 3 == 0 ? 0 : random() % 40;
  }
  return sizes;
}

/// The error of a run that must fail.
Error error_of(const Schedule& schedule, const std::vector<Exchange>& ranks) {
  try {
    (void)execute_reference(schedule, ranks, 1);
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "the run did not fail";
  return Error(BANYAN_OK, "");
}

TEST(ReferenceExecutor, AnyValidScheduleSizesAndTimingThenBuffersAreExact) {
  EXPECT_TRUE(rc::check([] {
    const int n = *rc::gen::inRange(1, 8);
    Schedule schedule = schedule::testing::random_paths(n, 4, *rc::gen::arbitrary<uint64_t>());
    schedule.window = *rc::gen::inRange(0, 4);
    const std::vector<uint64_t> sizes = random_sizes(n, *rc::gen::arbitrary<uint64_t>());
    const schedule::Verdict verdict = verify(schedule, {n, sizes});
    RC_ASSERT(verdict.ok());
    Buffers buffers(static_cast<size_t>(n), sizes, *rc::gen::inRange<size_t>(0, 5));
    const ReferenceRun run = execute_reference(schedule, buffers.exchanges(), *rc::gen::arbitrary<uint64_t>());
    RC_ASSERT(buffers.correct());
    RC_ASSERT(run.order.size() == schedule.messages.size());
    RC_ASSERT(run.peak_scratch_bytes <= verdict.peak_scratch_bytes);
    RC_ASSERT(schedule.window == 0 || run.max_in_flight <= schedule.window);
  }));
}

TEST(ReferenceExecutor, StructuredSchedulesThenBuffersAreExact) {
  for (const Schedule& schedule : {schedule::testing::direct(6), schedule::testing::ring(6),
                                   schedule::testing::two_level({{0, 3, 4}, {1}, {2, 5}})}) {
    const std::vector<uint64_t> sizes = random_sizes(6, 9);
    Buffers buffers(6, sizes, 3);
    (void)execute_reference(schedule, buffers.exchanges(), 5);
    EXPECT_TRUE(buffers.correct()) << schedule.algorithm;
  }
}

TEST(ReferenceExecutor, UniformWithoutHeadersThenBuffersAreExact) {
  Schedule schedule = schedule::testing::two_level({{0, 1, 2}, {3, 4}});
  for (schedule::Message& message : schedule.messages) {
    message.self_describing = false;
  }
  std::vector<std::vector<std::byte>> send(5);
  std::vector<std::vector<std::byte>> recv(5, std::vector<std::byte>(5 * 16));
  std::vector<Exchange> ranks;
  for (size_t r = 0; r < 5; ++r) {
    for (size_t p = 0; p < 5; ++p) {
      for (size_t k = 0; k < 16; ++k) {
        send[r].push_back(Buffers::content(r, p, k));
      }
    }
    Exchange& exchange = ranks.emplace_back();
    exchange.sendbuf = send[r].data();
    exchange.recvbuf = recv[r].data();
    exchange.block_bytes = 16;
  }
  (void)execute_reference(schedule, ranks, 2);
  for (size_t dst = 0; dst < 5; ++dst) {
    for (size_t src = 0; src < 5; ++src) {
      for (size_t k = 0; k < 16; ++k) {
        ASSERT_EQ(recv[dst][src * 16 + k], Buffers::content(src, dst, k));
      }
    }
  }
}

TEST(ReferenceExecutor, SeedsThenExploreOrdersAndRepeat) {
  const Schedule schedule = schedule::testing::two_level({{0, 1, 2}, {3, 4}});
  Buffers buffers(5, std::vector<uint64_t>(25, 4), 0);
  const auto order = [&](uint64_t seed) { return execute_reference(schedule, buffers.exchanges(), seed).order; };
  EXPECT_EQ(order(1), order(1));
  EXPECT_NE(order(1), order(2));
}

TEST(ReferenceExecutor, NoWindowThenAllOfARanksSendsMayBeInFlight) {
  Schedule schedule = schedule::testing::direct(8);
  schedule.window = 0;
  Buffers buffers(8, std::vector<uint64_t>(64, 1), 0);
  int most = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    most = std::max(most, execute_reference(schedule, buffers.exchanges(), seed).max_in_flight);
  }
  EXPECT_GT(most, 2);
}

TEST(ReferenceExecutor, ZeroRanksOrOneThenNothingToDo) {
  (void)execute_reference(schedule::testing::direct(0), {}, 1);
  Buffers buffers(1, {5}, 2);
  (void)execute_reference(schedule::testing::direct(1), buffers.exchanges(), 1);
  EXPECT_TRUE(buffers.correct());
}

TEST(ReferenceExecutor, CountsDisagreeThenMismatchNamesBothRanks) {
  for (const bool self_describing : {true, false}) {
    Schedule schedule = schedule::testing::direct(3);
    for (schedule::Message& message : schedule.messages) {
      message.self_describing = self_describing;
    }
    for (const size_t wrong : {size_t{3}, size_t{9}}) {
      Buffers buffers(3, std::vector<uint64_t>(9, 8), 8);
      buffers.ranks[2].recv_bytes[1] = wrong;
      const Error error = error_of(schedule, buffers.exchanges());
      EXPECT_EQ(error.status(), BANYAN_ERR_MISMATCH);
      EXPECT_THAT(error.what(), HasSubstr("rank 1"));
      EXPECT_THAT(error.what(), HasSubstr("rank 2 "));
    }
  }
}

TEST(ReferenceExecutor, OwnCountsDisagreeThenMismatch) {
  Buffers buffers(2, std::vector<uint64_t>(4, 8), 0);
  buffers.ranks[1].recv_bytes[1] = 4;
  EXPECT_THAT(error_of(schedule::testing::direct(2), buffers.exchanges()).what(),
              HasSubstr("rank 1 expects 4 bytes from rank 1, which sends 8"));
}

TEST(ReferenceExecutor, ReceiverExpectsABlockThatIsEmptyAndAbsentThenMismatch) {
  Schedule schedule = schedule::testing::direct(3);
  std::erase_if(schedule.messages, [](const schedule::Message& m) { return m.from == 0 && m.to == 1; });
  std::vector<uint64_t> sizes(9, 8);
  sizes[1] = 0;
  Buffers buffers(3, sizes, 8);
  (void)execute_reference(schedule, buffers.exchanges(), 1);
  EXPECT_TRUE(buffers.correct());
  buffers.ranks[1].recv_bytes[0] = 8;
  EXPECT_EQ(error_of(schedule, buffers.exchanges()).status(), BANYAN_ERR_MISMATCH);
}

TEST(ReferenceExecutor, RelayCannotKnowASizeThenSaysSo) {
  Schedule schedule = schedule::testing::two_level({{0, 1}, {2, 3}});
  schedule.messages[0].self_describing = false;
  Buffers buffers(4, std::vector<uint64_t>(16, 8), 0);
  EXPECT_THAT(error_of(schedule, buffers.exchanges()).what(),
              HasSubstr("rank 2 cannot know the size of block 0->3 in message 0, which has no header"));
}

TEST(ReferenceExecutor, ScheduleThatIsNoAllToAllThenFails) {
  Buffers buffers(3, std::vector<uint64_t>(9, 8), 0);
  const auto ranks = buffers.exchanges();
  Schedule schedule = schedule::testing::direct(3);
  schedule.messages.pop_back();
  EXPECT_THAT(error_of(schedule, ranks).what(), HasSubstr("block 2->1 never arrives"));
  schedule = schedule::testing::direct(3);
  schedule.messages.push_back({.step = 1, .from = 0, .to = 1, .blocks = {{2, 1}}});
  EXPECT_THAT(error_of(schedule, ranks).what(), HasSubstr("deadlock: message 6 of rank 0 waits for block 2->1"));
  schedule = schedule::testing::direct(3);
  schedule.messages[0].blocks.push_back({0, 1});
  EXPECT_THAT(error_of(schedule, ranks).what(), HasSubstr("block 0->1 is twice in one message"));
  schedule = schedule::testing::direct(3);
  schedule.messages[0].to = 3;
  EXPECT_THAT(error_of(schedule, ranks).what(), HasSubstr("message 0 has ranks out of range"));
}

TEST(ReferenceExecutor, BuffersDoNotFitThenInvalidArgument) {
  Buffers buffers(3, std::vector<uint64_t>(9, 8), 0);
  EXPECT_EQ(error_of(schedule::testing::direct(4), buffers.exchanges()).status(), BANYAN_ERR_INVALID_ARGUMENT);
  buffers.ranks[1].recv_offsets.pop_back();
  EXPECT_EQ(error_of(schedule::testing::direct(3), buffers.exchanges()).status(), BANYAN_ERR_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace banyan::executor
