// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "rank_threads.hpp"

namespace banyan::coll {
namespace {

using testing::consecutive;
using testing::HostList;
using testing::run_ranks;

/// The byte at `position` of the block that `from` sends to `to` in round `round`.
std::byte pattern(int from, int to, size_t position, int round) {
  return static_cast<std::byte>(from * 37 + to * 101 + static_cast<int>(position % 251) * 7 + round * 13 + 1);
}

std::vector<std::byte> send_buffer(int rank, int size, size_t block, int round) {
  std::vector<std::byte> buffer(static_cast<size_t>(size) * block);
  for (int to = 0; to < size; ++to) {
    for (size_t i = 0; i < block; ++i) {
      buffer[static_cast<size_t>(to) * block + i] = pattern(rank, to, i, round);
    }
  }
  return buffer;
}

size_t count_wrong(const std::vector<std::byte>& buffer, int rank, int size, size_t block, int round) {
  size_t wrong = 0;
  for (int from = 0; from < size; ++from) {
    for (size_t i = 0; i < block; ++i) {
      wrong += buffer[static_cast<size_t>(from) * block + i] != pattern(from, rank, i, round) ? 1 : 0;
    }
  }
  return wrong;
}

struct Case {
  const char* name;
  HostList hosts;
};

std::vector<Case> cases() {
  return {{"one rank", consecutive({1})},
          {"one host", consecutive({4})},
          {"even", consecutive({2, 2})},
          {"uneven", consecutive({3, 1, 2})},
          {"single ranks", consecutive({1, 1, 1})},
          {"interleaved", {{0, 2, 4}, {1, 3}}}};
}

TEST(Alltoall, EveryAlgorithmSizeAndShapeThenAllBytesArrive) {
  for (const Case& shape : cases()) {
    for (const char* algorithm :
         {"auto", "direct", "hierarchical(rail)", "hierarchical(node)", "bruck(2)", "bruck(3)"}) {
      std::atomic<size_t> wrong{0};
      const auto outcomes = run_ranks(shape.hosts, {}, [&](Engine& engine) {
        const int rank = engine.communicator().rank();
        const int size = engine.communicator().size();
        for (const size_t block : {0, 1, 8, 100, 4096, 20000, 200000}) {
          for (int round = 0; round < 3; ++round) {
            const auto sent = send_buffer(rank, size, block, round);
            std::vector<std::byte> received(sent.size(), std::byte{0});
            engine.alltoall(sent.data(), received.data(), block, {.algorithm = algorithm, .timeout_s = 0});
            wrong += count_wrong(received, rank, size, block, round);
            EXPECT_EQ(sent, send_buffer(rank, size, block, round)) << "the send buffer was written";
          }
        }
      });
      for (const auto& outcome : outcomes) {
        EXPECT_EQ(outcome.status, BANYAN_OK) << shape.name << " " << algorithm << ": " << outcome.text;
      }
      EXPECT_EQ(wrong.load(), 0U) << shape.name << " " << algorithm;
    }
  }
}

TEST(Alltoall, PersistentRequestThenMayBeStartedManyTimes) {
  std::atomic<size_t> wrong{0};
  const auto outcomes = run_ranks(consecutive({2, 3}), {}, [&](Engine& engine) {
    const int rank = engine.communicator().rank();
    const int size = engine.communicator().size();
    constexpr size_t kBlock = 333;
    std::vector<std::byte> sent(static_cast<size_t>(size) * kBlock);
    std::vector<std::byte> received(sent.size());
    const auto request = engine.alltoall_init(sent.data(), received.data(), kBlock, {});
    for (int round = 0; round < 50; ++round) {
      // In place: the request borrows this memory.
      const auto next = send_buffer(rank, size, kBlock, round);
      std::copy(next.begin(), next.end(), sent.begin());
      engine.start(*request);
      if (round % 2 == 0) {
        engine.wait(*request);
      } else {
        while (!engine.test(*request)) {
        }
      }
      wrong += count_wrong(received, rank, size, kBlock, round);
    }
  });
  for (const auto& outcome : outcomes) {
    EXPECT_EQ(outcome.status, BANYAN_OK) << outcome.text;
  }
  EXPECT_EQ(wrong.load(), 0U);
}

TEST(Alltoall, RailThenOneMessagePerRailPeerIsCounted) {
  const auto outcomes = run_ranks(consecutive({4, 4, 4}), {}, [](Engine& engine) {
    const std::vector<std::byte> sent(12 * 8);
    std::vector<std::byte> received(12 * 8);
    engine.alltoall(sent.data(), received.data(), 8, {.algorithm = "hierarchical(rail)", .timeout_s = 0});
    EXPECT_EQ(engine.counters().inter_host_messages, 2U);
    EXPECT_EQ(engine.counters().inter_host_bytes, 2U * 4 * 8);
  });
  for (const auto& outcome : outcomes) {
    EXPECT_EQ(outcome.status, BANYAN_OK) << outcome.text;
  }
}

TEST(Alltoall, RanksDisagreeOnTheSizeThenAllGetAMismatch) {
  comm::Settings settings;
  settings.timeout_s = 20;
  for (const char* algorithm : {"direct", "hierarchical(rail)", "hierarchical(node)", "bruck(2)", "bruck(3)", "auto"}) {
    const auto outcomes = run_ranks(consecutive({2, 2}), settings, [&](Engine& engine) {
      const size_t block = engine.communicator().rank() == 2 ? 64 : 72;
      const std::vector<std::byte> sent(4 * block);
      std::vector<std::byte> received(4 * block);
      engine.alltoall(sent.data(), received.data(), block, {.algorithm = algorithm, .timeout_s = 0});
      engine.barrier();
    });
    for (const auto& outcome : outcomes) {
      EXPECT_EQ(outcome.status, BANYAN_ERR_MISMATCH) << algorithm << ": " << outcome.text;
      EXPECT_NE(outcome.text.find("rank"), std::string::npos) << outcome.text;
    }
  }
}

TEST(Alltoall, ARankNeverComesThenTheOthersNameIt) {
  comm::Settings settings;
  settings.timeout_s = 0.3;
  const auto outcomes = run_ranks(consecutive({2, 2}), settings, [](Engine& engine) {
    if (engine.communicator().rank() == 3) {
      while (!engine.communicator().control().state().raised()) {
        std::this_thread::yield();
      }
      return;
    }
    const std::vector<std::byte> sent(4 * 8);
    std::vector<std::byte> received(4 * 8);
    engine.alltoall(sent.data(), received.data(), 8, {.algorithm = "direct", .timeout_s = 0});
  });
  for (int rank = 0; rank < 3; ++rank) {
    const auto& outcome = outcomes[static_cast<size_t>(rank)];
    EXPECT_EQ(outcome.status, BANYAN_ERR_TIMEOUT) << outcome.text;
    EXPECT_NE(outcome.text.find("for rank 3"), std::string::npos) << outcome.text;
  }
}

TEST(Alltoall, AbortThenWaitingRanksEndWithTheReason) {
  const auto outcomes = run_ranks(consecutive({2, 1}), {}, [](Engine& engine) {
    if (engine.communicator().rank() == 1) {
      engine.communicator().control().abort(BANYAN_ERR_ABORTED, "rank 1 aborted: enough");
      return;
    }
    const std::vector<std::byte> sent(3 * 8);
    std::vector<std::byte> received(3 * 8);
    engine.alltoall(sent.data(), received.data(), 8, {});
  });
  for (const int rank : {0, 2}) {
    EXPECT_EQ(outcomes[static_cast<size_t>(rank)].status, BANYAN_ERR_ABORTED);
    EXPECT_EQ(outcomes[static_cast<size_t>(rank)].text, "rank 1 aborted: enough");
  }
}

TEST(Alltoall, UnknownAlgorithmThenNotFoundAndNothingIsLost) {
  const auto outcomes = run_ranks(consecutive({2}), {}, [](Engine& engine) {
    std::vector<std::byte> sent(16);
    std::vector<std::byte> received(16);
    try {
      engine.alltoall(sent.data(), received.data(), 8, {.algorithm = "magic", .timeout_s = 0});
      ADD_FAILURE() << "the algorithm was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), BANYAN_ERR_NOT_FOUND);
    }
    engine.alltoall(sent.data(), received.data(), 8, {});
  });
  for (const auto& outcome : outcomes) {
    EXPECT_EQ(outcome.status, BANYAN_OK) << outcome.text;
  }
}

}  // namespace
}  // namespace banyan::coll
