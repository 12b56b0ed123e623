// SPDX-License-Identifier: Apache-2.0
// What a rank does while it waits: banyan_alltoall_options.while_waiting.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "base/error.hpp"
#include "rank_threads.hpp"

namespace banyan::coll {
namespace {

using testing::consecutive;
using testing::Outcome;
using testing::run_ranks;

constexpr int kRanks = 3;
constexpr size_t kBlock = 100;

struct Buffers {
  explicit Buffers(int rank) {
    for (size_t i = 0; i < sent.size(); ++i) {
      sent[i] = static_cast<std::byte>(static_cast<size_t>(rank) * 50 + i / kBlock);
    }
  }
  void expect_received(int rank) const {
    for (size_t i = 0; i < received.size(); ++i) {
      ASSERT_EQ(received[i], static_cast<std::byte>(i / kBlock * 50 + static_cast<size_t>(rank))) << "at " << i;
    }
  }
  std::vector<std::byte> sent = std::vector<std::byte>(kRanks * kBlock);
  std::vector<std::byte> received = std::vector<std::byte>(kRanks * kBlock);
};

int count_call(void* context) {
  ++*static_cast<std::atomic<int>*>(context);
  return 0;
}

void await(const std::atomic<int>& count, int least) {
  while (count < least) {
    std::this_thread::yield();
  }
}

void expect_all(const std::vector<Outcome>& outcomes, banyan_status status, const std::string& part) {
  for (const auto& outcome : outcomes) {
    EXPECT_EQ(outcome.status, status) << outcome.text;
    EXPECT_NE(outcome.text.find(part), std::string::npos) << outcome.text;
  }
}

/// Rank 0 comes when both others have called what they do meanwhile, so none of them may wait without it.
template <typename Exchange>
void expect_served(const Exchange& exchange) {
  std::atomic<int> calls[kRanks] = {};
  const auto outcomes = run_ranks(consecutive({2, 1}), {}, [&](Engine& engine) {
    const int rank = engine.communicator().rank();
    Buffers buffers(rank);
    for (int peer = 1; rank == 0 && peer < kRanks; ++peer) {
      await(calls[peer], 3);
    }
    exchange(engine, buffers, Options{.algorithm = {}, .timeout_s = 0, .meanwhile = {count_call, &calls[rank]}});
    buffers.expect_received(rank);
  });
  expect_all(outcomes, BANYAN_OK, "");
}

TEST(Meanwhile, ARankIsLateThenOthersServeWhatTheyAreAskedTo) {
  expect_served([](Engine& engine, Buffers& buffers, const Options& options) {
    engine.alltoall(buffers.sent.data(), buffers.received.data(), kBlock, options);
  });
}

TEST(Meanwhile, OfAnAlltoallv) {
  const std::vector<size_t> bytes(kRanks, kBlock);
  const std::vector<size_t> offsets = {0, kBlock, 2 * kBlock};
  const ByteLayout layout{bytes, offsets, bytes, offsets};
  expect_served([&](Engine& engine, Buffers& buffers, const Options& options) {
    engine.alltoallv(buffers.sent.data(), buffers.received.data(), layout, options);
  });
  expect_served([&](Engine& engine, Buffers& buffers, const Options& options) {
    const auto request = engine.alltoallv_init(buffers.sent.data(), buffers.received.data(), layout, options);
    engine.start(*request);
    engine.wait(*request);
  });
}

TEST(Meanwhile, OfARequestInEachWait) {
  expect_served([](Engine& engine, Buffers& buffers, const Options& options) {
    const auto request = engine.alltoall_init(buffers.sent.data(), buffers.received.data(), kBlock, options);
    engine.start(*request);
    engine.wait(*request);
  });
}

/// Ranks 1 and 2 wait for rank 0, which comes when rank 1's call has failed.
std::vector<Outcome> outcomes_of_failure(int (*function)(void*)) {
  std::atomic<bool> failed = false;
  return run_ranks(consecutive({2, 1}), {}, [&](Engine& engine) {
    const int rank = engine.communicator().rank();
    Buffers buffers(rank);
    while (rank == 0 && !failed) {
      std::this_thread::yield();
    }
    Options options;
    if (rank == 1) {
      options.meanwhile = {function, &engine};
    }
    try {
      engine.alltoall(buffers.sent.data(), buffers.received.data(), kBlock, options);
    } catch (...) {
      failed = failed || rank == 1;
      throw;
    }
  });
}

TEST(Meanwhile, ItFailsThenAllRanksAreToldOfWhichRank) {
  const auto outcomes = outcomes_of_failure([](void* /*engine*/) { return 7; });
  expect_all(outcomes, BANYAN_ERR_ABORTED, "rank 1 ended alltoall number 1");
  expect_all(outcomes, BANYAN_ERR_ABORTED, "gave 7");
}

TEST(Meanwhile, ItAbortsThenAllRanksAreToldItsCause) {
  const auto outcomes = outcomes_of_failure([](void* engine) {
    static_cast<Engine*>(engine)->communicator().control().abort(BANYAN_ERR_ABORTED, "the other library is broken");
    return 1;
  });
  expect_all(outcomes, BANYAN_ERR_ABORTED, "the other library is broken");
}

/// What it may not do, it may not begin either: the exchange under way is as it was.
class Meddler {
 public:
  Meddler(Engine& engine, std::atomic<int>& calls) : engine_(engine), calls_(calls) {}

  static int meddle(void* context) {
    static_cast<Meddler*>(context)->expect_busy();
    return 0;
  }
  Request* request = nullptr;  ///< the one under way, if it is one

 private:
  void expect_busy() {
    std::vector<std::byte> other(2 * kRanks * kBlock);
    const std::vector<size_t> bytes(kRanks, 2 * kBlock);
    const std::vector<size_t> offsets(kRanks, 0);
    const ByteLayout layout{bytes, offsets, bytes, offsets};
    expect_busy([&] { engine_.barrier(); });
    expect_busy([&] { engine_.alltoall(other.data(), other.data(), 2 * kBlock, {}); });
    expect_busy([&] { engine_.alltoallv(other.data(), other.data(), layout, {}); });
    expect_busy([&] { static_cast<void>(engine_.alltoallv_init(other.data(), other.data(), layout, {})); });
    if (request != nullptr) {
      expect_busy([&] { engine_.start(*request); });
      expect_busy([&] { static_cast<void>(engine_.test(*request)); });
      expect_busy([&] { engine_.wait(*request); });
    }
    ++calls_;
  }
  static void expect_busy(const std::function<void()>& call) {
    try {
      call();
      ADD_FAILURE() << "it is not refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), BANYAN_ERR_BUSY) << error.what();
    }
  }

  Engine& engine_;
  std::atomic<int>& calls_;
};

TEST(Meanwhile, ExchangesInItThenTheyAreBusyAndTheOneUnderWayGoesOn) {
  for (const bool persistent : {false, true}) {
    std::atomic<int> calls[kRanks] = {};
    const auto outcomes = run_ranks(consecutive({2, 1}), {}, [&](Engine& engine) {
      const int rank = engine.communicator().rank();
      Buffers buffers(rank);
      Meddler meddler(engine, calls[rank]);
      const Options options{.algorithm = {}, .timeout_s = 0, .meanwhile = {Meddler::meddle, &meddler}};
      const auto request = engine.alltoall_init(buffers.sent.data(), buffers.received.data(), kBlock, options);
      meddler.request = persistent ? request.get() : nullptr;
      for (int round = 1; round <= 3; ++round) {
        for (int peer = 1; rank == 0 && peer < kRanks; ++peer) {
          await(calls[peer], 2 * round);
        }
        if (persistent) {
          engine.start(*request);
          engine.wait(*request);
        } else {
          engine.alltoall(buffers.sent.data(), buffers.received.data(), kBlock, options);
        }
        buffers.expect_received(rank);
      }
    });
    expect_all(outcomes, BANYAN_OK, "");
  }
}

}  // namespace
}  // namespace banyan::coll
