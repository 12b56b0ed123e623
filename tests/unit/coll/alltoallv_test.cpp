// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <thread>

#include "rank_threads.hpp"

namespace banyan::coll {
namespace {

using testing::consecutive;
using testing::HostList;
using testing::run_ranks;

/// Bytes of every pair, row-major.
using Matrix = std::vector<size_t>;

/// A rank's buffers with gaps between blocks, in an order of its own.
struct Buffers {
  std::vector<size_t> bytes, offsets;
  std::vector<std::byte> memory;
};

constexpr size_t kGap = 3;

Buffers lay_out(int rank, int size, bool sending, const Matrix& matrix) {
  Buffers buffers;
  buffers.bytes.resize(static_cast<size_t>(size));
  buffers.offsets.resize(static_cast<size_t>(size));
  size_t at = kGap;
  for (int k = 0; k < size; ++k) {
    const auto peer = static_cast<size_t>((rank + (sending ? k : size - k)) % size);
    const auto r = static_cast<size_t>(rank);
    const auto n = static_cast<size_t>(size);
    buffers.bytes[peer] = sending ? matrix[r * n + peer] : matrix[peer * n + r];
    buffers.offsets[peer] = at;
    at += buffers.bytes[peer] + kGap;
  }
  buffers.memory.assign(at, std::byte{0xEE});
  return buffers;
}

std::byte pattern(int from, int to, size_t position) {
  return static_cast<std::byte>(from * 41 + to * 17 + static_cast<int>(position % 239) * 3);
}

/// Runs the exchange on this rank; returns wrong bytes, gaps that were written included.
size_t exchange(Engine& engine, const Matrix& matrix, const Options& options) {
  const int rank = engine.communicator().rank();
  const int size = engine.communicator().size();
  Buffers out = lay_out(rank, size, true, matrix);
  Buffers in = lay_out(rank, size, false, matrix);
  for (int to = 0; to < size; ++to) {
    for (size_t i = 0; i < out.bytes[static_cast<size_t>(to)]; ++i) {
      out.memory[out.offsets[static_cast<size_t>(to)] + i] = pattern(rank, to, i);
    }
  }
  engine.alltoallv(out.memory.data(), in.memory.data(), {out.bytes, out.offsets, in.bytes, in.offsets}, options);
  std::vector<std::byte> expected(in.memory.size(), std::byte{0xEE});
  for (int from = 0; from < size; ++from) {
    for (size_t i = 0; i < in.bytes[static_cast<size_t>(from)]; ++i) {
      expected[in.offsets[static_cast<size_t>(from)] + i] = pattern(from, rank, i);
    }
  }
  size_t wrong = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    wrong += expected[i] != in.memory[i] ? 1 : 0;
  }
  return wrong;
}

Matrix random_matrix(int size, std::mt19937& random) {
  Matrix matrix(static_cast<size_t>(size) * static_cast<size_t>(size));
  for (size_t& bytes : matrix) {
    switch (random() % 5) {
      case 0:
        bytes = 0;
        break;
      case 1:
        bytes = random() % 17;
        break;
      case 2:
        bytes = random() % 2000;
        break;
      case 3:
        bytes = random() % 20000;
        break;
      default:
        bytes = random() % 8 == 0 ? random() % 500000 : random() % 100;
    }
  }
  return matrix;
}

TEST(Alltoallv, RandomMatricesLimitsAndShapesThenAllBytesArrive) {
  const std::vector<HostList> shapes = {
      consecutive({1}), consecutive({5}), consecutive({2, 2, 2}), consecutive({3, 1, 2}), {{0, 2, 4}, {1, 3}}};
  for (const size_t limit : {size_t{0}, size_t{1}, size_t{100000}, SIZE_MAX}) {
    for (const HostList& hosts : shapes) {
      comm::Settings settings;
      settings.aggregate_limit_bytes = limit;
      std::atomic<size_t> wrong{0};
      const auto outcomes = run_ranks(hosts, settings, [&](Engine& engine) {
        std::mt19937 random(1234);  // NOLINT(bugprone-random-generator-seed,cert-msc51-cpp): the same on all ranks
        for (int round = 0; round < 6; ++round) {
          const Matrix matrix = random_matrix(engine.communicator().size(), random);
          for (const char* algorithm :
               {"auto", "direct", "hierarchical(rail)", "hierarchical(node)", "bruck(2)", "bruck(3)"}) {
            wrong += exchange(engine, matrix, {.algorithm = algorithm, .timeout_s = 0});
          }
        }
      });
      for (const auto& outcome : outcomes) {
        EXPECT_EQ(outcome.status, BANYAN_OK) << "limit " << limit << ": " << outcome.text;
      }
      EXPECT_EQ(wrong.load(), 0U) << "limit " << limit;
    }
  }
}

TEST(Alltoallv, PiecesAndNarrowWindowsThenAllBytesArrive) {
  for (const size_t chunk : {size_t{1}, size_t{1000}, size_t{1} << 20}) {
    comm::Settings settings;
    settings.chunk_bytes = chunk;
    settings.window = 1;
    settings.window_bytes = 1;
    std::atomic<size_t> wrong{0};
    const auto outcomes = run_ranks(consecutive({3, 1, 2}), settings, [&](Engine& engine) {
      std::mt19937 random(99);  // NOLINT(bugprone-random-generator-seed,cert-msc51-cpp): the same on all ranks
      for (int round = 0; round < 6; ++round) {
        Matrix matrix = random_matrix(engine.communicator().size(), random);
        for (size_t& bytes : matrix) {
          bytes = std::min(bytes, chunk * 100);  // a piece costs a request
        }
        for (const char* algorithm : {"direct", "hierarchical(rail)"}) {
          wrong += exchange(engine, matrix, {.algorithm = algorithm, .timeout_s = 0});
        }
      }
    });
    for (const auto& outcome : outcomes) {
      EXPECT_EQ(outcome.status, BANYAN_OK) << "chunk " << chunk << ": " << outcome.text;
    }
    EXPECT_EQ(wrong.load(), 0U) << "chunk " << chunk;
  }
}

TEST(Alltoallv, AllCountsZeroThenReturns) {
  std::atomic<size_t> wrong{0};
  const auto outcomes = run_ranks(consecutive({2, 2}), {}, [&](Engine& engine) {
    for (int round = 0; round < 3; ++round) {
      wrong += exchange(engine, Matrix(16, 0), {});
    }
  });
  for (const auto& outcome : outcomes) {
    EXPECT_EQ(outcome.status, BANYAN_OK) << outcome.text;
  }
  EXPECT_EQ(wrong.load(), 0U);
}

TEST(Alltoallv, AllToOneRankThenAllBytesArrive) {
  std::atomic<size_t> wrong{0};
  const auto outcomes = run_ranks(consecutive({3, 2}), {}, [&](Engine& engine) {
    Matrix matrix(25, 0);
    for (size_t from = 0; from < 5; ++from) {
      matrix[from * 5 + 3] = 100000 + from;
    }
    wrong += exchange(engine, matrix, {});
  });
  for (const auto& outcome : outcomes) {
    EXPECT_EQ(outcome.status, BANYAN_OK) << outcome.text;
  }
  EXPECT_EQ(wrong.load(), 0U);
}

/// Rank 1 believes that it sends `claimed` bytes to rank `to`, which expects `expected`.
void expect_mismatch(size_t claimed, size_t expected, int to) {
  comm::Settings settings;
  settings.timeout_s = 20;
  const auto outcomes = run_ranks(consecutive({2, 2}), settings, [&](Engine& engine) {
    Matrix matrix(16, 16);
    matrix[1 * 4 + static_cast<size_t>(to)] = engine.communicator().rank() == 1 ? claimed : expected;
    static_cast<void>(exchange(engine, matrix, {}));
    engine.barrier();
  });
  for (const auto& outcome : outcomes) {
    EXPECT_EQ(outcome.status, BANYAN_ERR_MISMATCH) << claimed << " for " << expected << ": " << outcome.text;
    EXPECT_NE(outcome.text.find("rank 1 sends"), std::string::npos) << outcome.text;
    EXPECT_NE(outcome.text.find("to rank " + std::to_string(to)), std::string::npos) << outcome.text;
  }
}

/// Waits until the control plane knows this of the stalled ranks.
void await_diagnosis(Engine& engine, const std::string& text) {
  bootstrap::Control& control = engine.communicator().control();
  while (control.diagnosis().find(text) == std::string::npos && !control.state().raised()) {
    std::this_thread::yield();
  }
}

TEST(Alltoallv, OneRankIsLateThenAnotherThatGoesAheadIsNoMismatch) {
  const auto outcomes = run_ranks(consecutive({1, 1, 1}), {}, [](Engine& engine) {
    const int rank = engine.communicator().rank();
    engine.barrier();
    if (rank > 0) {  // rank 0 stalls without both, then rank 2 stalls in the next operation
      await_diagnosis(engine, rank == 2 ? "rank 2 has not started operation 2" : "operation 3");
    }
    EXPECT_EQ(exchange(engine, {0, 0, 0, 8, 0, 0, 8, 0, 0}, {.algorithm = "direct", .timeout_s = 0}), 0U);
    engine.barrier();
  });
  for (const auto& outcome : outcomes) {
    EXPECT_EQ(outcome.status, BANYAN_OK) << outcome.text;
  }
}

TEST(Alltoallv, RankAwaitsDataThatNobodySendsThenAllNameIt) {
  comm::Settings settings;
  settings.timeout_s = 60;
  const auto outcomes = run_ranks(consecutive({1, 1, 1}), settings, [](Engine& engine) {
    const size_t expected = engine.communicator().rank() == 0 ? 8 : 0;
    static_cast<void>(exchange(engine, {0, 0, 0, expected, 0, 0, 0, 0, 0}, {.algorithm = "direct", .timeout_s = 0}));
    engine.barrier();
  });
  for (const auto& outcome : outcomes) {
    EXPECT_EQ(outcome.status, BANYAN_ERR_MISMATCH);
    EXPECT_NE(outcome.text.find("rank 0 waits in operation 1 (alltoallv) for rank 1, which waits in operation 2"),
              std::string::npos)
        << outcome.text;
  }
}

TEST(Alltoallv, CountsDifferThenAllRanksNameThePairAndBothSizes) {
  for (const int to : {0, 2}) {
    expect_mismatch(24, 16, to);
    expect_mismatch(0, 16, to);
    expect_mismatch(16, 0, to);
    expect_mismatch(1000000, 16, to);
    expect_mismatch(16, 1000000, to);
    expect_mismatch(1000000, 2000000, to);
  }
}

/// Without aggregated messages nothing carries the sizes themselves.
TEST(Alltoallv, CountsOfDirectPairsDifferByWholePiecesThenAllRanksFail) {
  for (const auto& [claimed, expected] :
       {std::pair<size_t, size_t>{49152, 16384}, {16384, 49152}, {128 * 16384, 16384}}) {
    comm::Settings settings;
    settings.timeout_s = 1;
    settings.chunk_bytes = 16384;
    const auto outcomes =
        run_ranks(consecutive({1, 1}), settings, [&, claimed = claimed, expected = expected](Engine& engine) {
          Matrix matrix(4, 0);
          matrix[2] = engine.communicator().rank() == 1 ? claimed : expected;
          static_cast<void>(exchange(engine, matrix, {.algorithm = "direct", .timeout_s = 0}));
          engine.barrier();
        });
    for (const auto& outcome : outcomes) {
      EXPECT_NE(outcome.status, BANYAN_OK) << claimed << " for " << expected;
    }
  }
}

/// What rank 1 sends has left it long before rank 0 has taken it in, a part each time it looks, so rank 1 waits for
/// rank 0 in its next exchange. That is no disagreement.
TEST(Alltoallv, ReceiverIsSlowThenItsPeerMayWaitInTheNextExchange) {
  constexpr size_t kPieces = 15000;  // of which a look takes 256
  constexpr size_t kPieceBytes = 64;
  comm::Settings settings;
  settings.timeout_s = 60;
  settings.chunk_bytes = kPieceBytes;
  const auto outcomes = run_ranks(consecutive({1, 1}), settings, [&](Engine& engine) {
    const int rank = engine.communicator().rank();
    const Matrix matrix = {0, 0, kPieces * kPieceBytes, 0};
    Buffers out = lay_out(rank, 2, true, matrix);
    Buffers in = lay_out(rank, 2, false, matrix);
    const auto request = engine.alltoallv_init(out.memory.data(), in.memory.data(),
                                               {out.bytes, out.offsets, in.bytes, in.offsets}, {.algorithm = "direct"});
    engine.start(*request);
    const auto begin = std::chrono::steady_clock::now();
    while (!engine.test(*request)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(rank == 0 ? 100 : 1));
    }
    const auto seconds = std::chrono::steady_clock::now() - begin;
    if (rank == 0) {  // else rank 1 was never suspected for long enough
      EXPECT_GT(seconds, std::chrono::seconds(5));
    }
    engine.barrier();
  });
  for (const auto& outcome : outcomes) {
    EXPECT_EQ(outcome.status, BANYAN_OK) << outcome.text;
  }
}

}  // namespace
}  // namespace banyan::coll
