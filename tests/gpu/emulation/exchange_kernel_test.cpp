// SPDX-License-Identifier: Apache-2.0
// The kernels of plugins/device/cuda/exchange.cu on a CPU: schedules drawn by lot, late ranks, and lanes that must not
// part. What they do on a GPU is gpu_exchange_exam's matter.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "cuda/exchange.cuh"
#include "emulation/kernels.hpp"

namespace banyan::cuda {
namespace {

constexpr size_t kEager = 2000;
constexpr size_t kWindowBytes = size_t{256} << 10;
constexpr size_t kGuard = 40;
constexpr char kUntouched = 0x5a;
constexpr uint64_t kPatience = 1'000'000;  ///< sweeps

char byte_of(int source, int target, int round, size_t at) {
  uint64_t word = static_cast<uint64_t>(round) << 48 ^ static_cast<uint64_t>(source) << 40 ^
                  static_cast<uint64_t>(target) << 32 ^ at;
  word = (word + 0x9E3779B97F4A7C15U) * 0xBF58476D1CE4E5B9U;
  return static_cast<char>(word >> 56);
}

/// Pairs' sizes of a round.
using Sizes = std::vector<size_t>;

struct Blocks {
  int of_lines, of_pushes, copying;
};

/// A rank's memory, and where its next blocks lie.
struct Rank {
  std::vector<ulonglong2> inbox;
  std::vector<char> windows[2], expected[2];
  std::vector<char*> table;
  GroupState state{};
  HostWords words{};
  std::vector<std::unique_ptr<std::vector<char>>> sent;  ///< by round and peer
  std::string problem;
};

/// Ranks, and rounds of exchanges between them; after each it is compared what lies in the windows.
class Job {
 public:
  Job(int num_ranks, unsigned seed) : ranks_(static_cast<size_t>(num_ranks)), gpu_(num_ranks, seed) {
    emulation::use(gpu_);
    const InboxLayout layout{num_ranks, lines_of(kEager)};
    for (Rank& rank : ranks_) {
      rank.inbox.resize(layout.bytes() / sizeof(ulonglong2) + kLineBytes);
      for (int window = 0; window < 2; ++window) {
        rank.windows[window].assign(kWindowBytes, kUntouched);
        rank.expected[window].assign(kWindowBytes, kUntouched);
      }
    }
    for (Rank& rank : ranks_) {
      for (int window = 0; window < 2; ++window) {
        for (Rank& peer : ranks_) {
          rank.table.push_back(peer.windows[window].data());
        }
      }
    }
  }

  /// `timeout`: in sweeps.
  void exchange(const Sizes& sizes, Blocks blocks, uint64_t timeout = kPatience) {
    fill(sizes);
    for (int rank = 0; rank < size(); ++rank) {
      launch(rank, sizes, blocks, timeout);
      compare_then(rank, sizes);
    }
    ++round_;
  }

  void pull(const Sizes& sizes) {
    fill(sizes);
    for (int rank = 0; rank < size(); ++rank) {
      Exchange moves = moves_of(rank, sizes);
      moves.watch.timeout_ns = kPatience;
      EXPECT_EQ(launch_open(moves, stream(rank)), cudaSuccess);
      for (int peer = 0; peer < size(); ++peer) {
        gpu_.call(rank, [this, moves, rank, peer, round = round_] {
          const auto& from = *of(peer).sent[static_cast<size_t>(round * size() + rank)];
          std::memcpy(moves.moves[peer].recv, from.data() + offset(rank, round), moves.moves[peer].recv_bytes);
        });
      }
      EXPECT_EQ(launch_close(moves, stream(rank)), cudaSuccess);
      compare_then(rank, sizes);
    }
    ++round_;
  }

  void delay(int rank, uint64_t until) { gpu_.delay(rank, until); }

  /// All ranks but the last one, which is missing.
  void exchange_without_last(const Sizes& sizes, Blocks blocks, uint64_t timeout) {
    fill(sizes);
    for (int rank = 0; rank + 1 < size(); ++rank) {
      launch(rank, sizes, blocks, timeout);
    }
  }

  void run() {
    EXPECT_EQ(gpu_.run(), "");
    for (const Rank& rank : ranks_) {
      EXPECT_EQ(rank.problem, "");
    }
  }

  [[nodiscard]] const Rank& rank(int number) const { return ranks_[static_cast<size_t>(number)]; }
  [[nodiscard]] int size() const { return static_cast<int>(ranks_.size()); }
  [[nodiscard]] size_t num_pairs() const { return ranks_.size() * ranks_.size(); }

 private:
  [[nodiscard]] Rank& of(int rank) { return ranks_[static_cast<size_t>(rank)]; }
  static cudaStream_t stream(int rank) { return static_cast<cudaStream_t>(emulation::stream_of(rank)); }
  /// What is sent to a peer begins at even or odd places.
  static size_t offset(int peer, int round) {
    return static_cast<size_t>(round % 3 == 0 ? 0 : 1 + (peer + round) % 15);
  }
  [[nodiscard]] char* inbox_of(int rank) {
    const auto start = reinterpret_cast<uintptr_t>(of(rank).inbox.data());
    return reinterpret_cast<char*>((start + kLineBytes - 1) / kLineBytes * kLineBytes);
  }

  void fill(const Sizes& sizes) {
    for (int rank = 0; rank < size(); ++rank) {
      for (int peer = 0; peer < size(); ++peer) {
        const size_t bytes = sizes[static_cast<size_t>(rank * size() + peer)];
        auto sent = std::make_unique<std::vector<char>>(bytes + 16);
        for (size_t at = 0; at < bytes; ++at) {
          (*sent)[offset(peer, round_) + at] = byte_of(rank, peer, round_, at);
        }
        of(rank).sent.push_back(std::move(sent));
      }
    }
  }

  /// Blocks lie apart, in both windows, at even or odd places.
  Exchange moves_of(int number, const Sizes& sizes) {
    Rank& rank = of(number);
    Exchange exchange{};
    exchange.rank = number;
    exchange.layout = {size(), lines_of(kEager)};
    exchange.eager_bytes = kEager;
    exchange.watch = {&rank.state, &rank.words, 0};
    exchange.windows = rank.table.data();
    size_t at[2] = {kGuard, kGuard};
    for (int peer = 0; peer < size(); ++peer) {
      const int window = (peer + round_) % 2;
      Move& move = exchange.moves[peer];
      exchange.inboxes[peer] = inbox_of(peer);
      move.send = rank.sent[static_cast<size_t>(round_ * size() + peer)]->data() + offset(peer, round_);
      move.send_bytes = sizes[static_cast<size_t>(number * size() + peer)];
      at[window] = (at[window] + 15) / 16 * 16 + (round_ % 2 == 0 ? 0 : offset(number + peer, round_));
      move.recv = rank.windows[window].data() + at[window];
      move.recv_bytes = sizes[static_cast<size_t>(peer * size() + number)];
      move.grant = static_cast<uint64_t>(window) << kOffsetBits | at[window];
      exchange.pushes |= peer != number && std::max(move.send_bytes, move.recv_bytes) > kEager ? 1 : 0;
      at[window] += move.recv_bytes + kGuard;
    }
    return exchange;
  }

  void launch(int rank, const Sizes& sizes, Blocks blocks, uint64_t timeout) {
    Exchange exchange = moves_of(rank, sizes);
    exchange.copying_blocks = exchange.pushes != 0 ? blocks.copying : 0;
    exchange.watch.timeout_ns = timeout;
    EXPECT_EQ(launch_exchange(exchange, exchange.pushes != 0 ? blocks.of_pushes : blocks.of_lines, stream(rank)),
              cudaSuccess);
  }

  /// When the stream comes there.
  void compare_then(int number, const Sizes& sizes) {
    const Exchange moves = moves_of(number, sizes);
    gpu_.call(number, [this, moves, number, round = round_] {
      Rank& rank = of(number);
      for (int peer = 0; peer < size(); ++peer) {
        const int window = (peer + round) % 2;
        char* const to = rank.expected[window].data() + (moves.moves[peer].recv - rank.windows[window].data());
        for (size_t at = 0; at < moves.moves[peer].recv_bytes; ++at) {
          to[at] = byte_of(peer, number, round, at);
        }
      }
      const bool good = rank.windows[0] == rank.expected[0] && rank.windows[1] == rank.expected[1];
      if (rank.problem.empty() && (!good || rank.words.valid != 0)) {
        rank.problem = "rank " + std::to_string(number) + ", round " + std::to_string(round) +
                       (good ? ": a failure" : ": wrong bytes");
      }
    });
  }

  std::vector<Rank> ranks_;
  int round_ = 0;
  emulation::EmulatedGpu gpu_;
};

constexpr Blocks kOne{1, 1, 0};
constexpr Blocks kSome{2, 4, 1};

Sizes draw(std::mt19937& random, size_t count, const std::vector<size_t>& from) {
  Sizes sizes;
  for (size_t i = 0; i < count; ++i) {
    sizes.push_back(from[random() % from.size()]);
  }
  return sizes;
}

const std::vector<size_t> kSmall = {0, 1, 7, 8, 119, 120, 121, 240, 361, 479, 480, 481, 1000, kEager};
const std::vector<size_t> kLarge = {kEager + 1, 4096, 7777, 20011};

/// The lanes of a line that has not come, and those beyond the last line, must meet in the same collectives.
TEST(ExchangeKernel, PeerIsLateAndLinesAreFewThenNoLaneIsLeftBehind) {
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{121}, size_t{361}, size_t{500}}) {
    for (int late = 0; late < 2; ++late) {
      SCOPED_TRACE(std::to_string(bytes) + " bytes, rank " + std::to_string(late) + " is late");
      Job job(2, 1);
      job.delay(late, 50);
      job.exchange(Sizes(job.num_pairs(), bytes), kOne);
      job.run();
    }
  }
}

/// For longer than it takes a wait to look at its deadline.
TEST(ExchangeKernel, PeerIsLateToAPullThenItIsAwaited) {
  Job job(2, 1);
  job.delay(1, 2000);
  job.pull(Sizes(job.num_pairs(), 5000));
  job.run();
}

TEST(ExchangeKernel, ExchangesInARowThenEveryByteIsInPlace) {
  for (unsigned seed = 0; seed < 4; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    Job job(2 + static_cast<int>(seed % 2), seed);
    auto all = kSmall;
    all.insert(all.end(), kLarge.begin(), kLarge.end());
    for (int round = 0; round < 8; ++round) {
      const auto& from = round % 3 == 0 ? kSmall : round % 3 == 1 ? kLarge : all;
      if (round % 4 == 2) {
        job.pull(draw(random, job.num_pairs(), all));
      } else {
        job.exchange(draw(random, job.num_pairs(), from), seed < 2 ? kOne : kSome);
      }
    }
    job.run();
    EXPECT_EQ(job.rank(0).state.calls, 8U);
  }
}

TEST(ExchangeKernel, PeerIsMissingThenTheReportNamesItAndTheCall) {
  for (const size_t bytes : {size_t{0}, size_t{500}, size_t{5000}}) {
    SCOPED_TRACE(std::to_string(bytes) + " bytes");
    Job job(2, 7);
    job.exchange_without_last(Sizes(job.num_pairs(), bytes), kOne, 300);
    job.run();
    const HostWords& words = job.rank(0).words;
    EXPECT_EQ(words.valid, 1U);
    EXPECT_EQ(words.status, BANYAN_ERR_TIMEOUT);
    EXPECT_EQ(words.peer, 1);
    EXPECT_EQ(words.call, 1U);
  }
}

}  // namespace
}  // namespace banyan::cuda
