// SPDX-License-Identifier: Apache-2.0
// The exam of a device plugin's exchanges: every byte arrives once and nothing else changes, for sizes and alignments
// at the protocols' limits; captured graphs; streams; and waits that end. Exit status 77: there is no device.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "gpu/mapped_job.hpp"

namespace banyan::gpu_test {

using perf::load_plugin;
using perf::MappedRank;
using perf::run_ranks;

namespace {

constexpr size_t kEager = 4096;
constexpr size_t kGuard = 32;  ///< bytes beside each block that must stay as they are
constexpr char kUntouched = 0x5a;

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) {
    throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(error));
  }
}

char value_of(int source, int target, size_t byte, int round) {
  const auto mixed = static_cast<uint64_t>(source * 131 + target * 31 + round * 7) + byte * 0x9E3779B97F4A7C15U;
  return static_cast<char>(mixed >> 56 ^ mixed >> 20);
}

/// Sizes of all pairs of a round, the same on all ranks.
std::vector<size_t> sizes_of(int num_ranks, int round) {
  std::mt19937_64 random(static_cast<uint64_t>(round) * 977 + 5);
  const std::vector<size_t> edges = {0,   1,          7,      8,          119,         120,   121,
                                     128, kEager - 1, kEager, kEager + 1, kEager + 13, 65536, 1000003};
  std::vector<size_t> sizes;
  for (int pair = 0; pair < num_ranks * num_ranks; ++pair) {
    const bool uniform = round % 4 == 3;
    sizes.push_back(uniform ? edges[static_cast<size_t>(round) / 4 % edges.size()] : edges[random() % edges.size()]);
  }
  return sizes;
}

/// One rank's buffers for rounds of any sizes of sizes_of.
class Buffers {
 public:
  explicit Buffers(MappedRank& rank) : rank_(rank) {
    bytes_ = static_cast<size_t>(rank.size()) * (1000003 + 16 + 2 * kGuard) + 64;
    check(cudaSetDevice(rank.device()), "cudaSetDevice");
    check(cudaMalloc(reinterpret_cast<void**>(&send_), bytes_), "cudaMalloc");
    recv_ = rank.make_window(bytes_);
    host_.resize(bytes_);
  }
  ~Buffers() { static_cast<void>(cudaFree(send_)); }
  Buffers(const Buffers&) = delete;
  Buffers& operator=(const Buffers&) = delete;

  /// Lays the round's blocks out, at odd places in odd rounds, and fills them.
  void prepare(int round) {
    const auto sizes = sizes_of(rank_.size(), round);
    moves_.clear();
    std::vector<char> send(bytes_, 0);
    size_t send_at = 0, recv_at = 0;
    for (int peer = 0; peer < rank_.size(); ++peer) {
      const size_t sent = sizes[static_cast<size_t>(rank_.rank() * rank_.size() + peer)];
      const size_t received = sizes[static_cast<size_t>(peer * rank_.size() + rank_.rank())];
      const auto odd = static_cast<size_t>(round % 2 == 0 ? 0 : 1 + (peer + round) % 15);
      send_at = (send_at + 15) / 16 * 16 + odd;
      recv_at = (recv_at + kGuard + 15) / 16 * 16 + (round % 3 == 0 ? 0 : odd);
      for (size_t i = 0; i < sent; ++i) {
        send[send_at + i] = value_of(rank_.rank(), peer, i, round);
      }
      moves_.push_back({send_ + send_at, sent, recv_ + recv_at, received, -1});
      send_at += sent;
      recv_at += received + kGuard;
    }
    check(cudaMemcpy(send_, send.data(), bytes_, cudaMemcpyHostToDevice), "cudaMemcpy");
    clear();
  }
  void clear() { check(cudaMemset(recv_, kUntouched, bytes_), "cudaMemset"); }
  [[nodiscard]] const std::vector<banyan_device_move>& moves() const { return moves_; }

  /// Of all bytes, those that are not what they should be.
  [[nodiscard]] size_t count_wrong(int round) {
    check(cudaMemcpy(host_.data(), recv_, bytes_, cudaMemcpyDeviceToHost), "cudaMemcpy");
    std::vector<char> expected(bytes_, kUntouched);
    for (int peer = 0; peer < rank_.size(); ++peer) {
      const banyan_device_move& move = moves_[static_cast<size_t>(peer)];
      const auto at = static_cast<size_t>(static_cast<char*>(move.recv) - recv_);
      for (size_t i = 0; i < move.recv_bytes; ++i) {
        expected[at + i] = value_of(peer, rank_.rank(), i, round);
      }
    }
    size_t wrong = 0;
    for (size_t i = 0; i < bytes_; ++i) {
      wrong += host_[i] != expected[i] ? 1 : 0;
    }
    return wrong;
  }

 private:
  MappedRank& rank_;
  size_t bytes_ = 0;
  char* send_ = nullptr;
  char* recv_ = nullptr;
  std::vector<char> host_;
  std::vector<banyan_device_move> moves_;
};

void expect(bool condition, const std::string& what) {
  if (!condition) {
    throw std::runtime_error(what);
  }
}

void expect_round(Buffers& buffers, const MappedRank& rank, int round) {
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  expect(rank.failure().status == BANYAN_OK, "round " + std::to_string(round) + ": the device reports a failure");
  const size_t wrong = buffers.count_wrong(round);
  expect(wrong == 0, "round " + std::to_string(round) + ": " + std::to_string(wrong) + " wrong bytes");
}

void places_every_byte(MappedRank& rank) {
  Buffers buffers(rank);
  for (int round = 0; round < 64; ++round) {
    buffers.prepare(round);
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    rank.barrier();  // nobody clears what a peer writes already
    rank.exchange(buffers.moves(), nullptr);
    expect_round(buffers, rank, round);
  }
}

/// Exchanges that nothing separates but the stream: an inbox is used again only when it has been read.
void runs_back_to_back(MappedRank& rank) {
  Buffers buffers(rank);
  cudaStream_t streams[2];
  for (auto& stream : streams) {
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
  }
  for (int round = 0; round < 12; ++round) {
    buffers.prepare(round);
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    rank.barrier();
    for (int i = 0; i < 40; ++i) {
      rank.exchange(buffers.moves(), streams[i / 3 % 2]);
    }
    expect_round(buffers, rank, round);
  }
  for (auto& stream : streams) {
    check(cudaStreamDestroy(stream), "cudaStreamDestroy");
  }
}

void replays_graphs(MappedRank& rank) {
  Buffers buffers(rank);
  cudaStream_t stream{};
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
  constexpr int kRound = 5;
  buffers.prepare(kRound);
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  for (int i = 0; i < 3; ++i) {
    rank.exchange(buffers.moves(), stream);
  }
  cudaGraph_t graph{};
  cudaGraphExec_t ready{};
  check(cudaStreamEndCapture(stream, &graph), "cudaStreamEndCapture");
  check(cudaGraphInstantiate(&ready, graph, 0), "cudaGraphInstantiate");
  for (int i = 0; i < 10; ++i) {
    buffers.clear();
    check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    rank.barrier();
    check(cudaGraphLaunch(ready, stream), "cudaGraphLaunch");
    expect_round(buffers, rank, kRound);
  }
  check(cudaGraphExecDestroy(ready), "cudaGraphExecDestroy");
  check(cudaGraphDestroy(graph), "cudaGraphDestroy");
  check(cudaStreamDestroy(stream), "cudaStreamDestroy");
}

double seconds_until_over() {
  const auto start = std::chrono::steady_clock::now();
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The last rank does not call. Rounds 0 (eager and pushed) and 3 (all empty).
void names_who_is_missing(MappedRank& rank) {
  Buffers buffers(rank);
  for (int round : {0, 3}) {
    buffers.prepare(round);
    rank.barrier();
    if (rank.rank() + 1 == rank.size()) {
      continue;
    }
    rank.exchange(buffers.moves(), nullptr);
    const double seconds = seconds_until_over();
    expect(seconds < 5, "a wait of 1 s lasted " + std::to_string(seconds));
    const auto failure = rank.failure();
    expect(failure.status == BANYAN_ERR_TIMEOUT, "no timeout");
    expect(failure.peer >= 0 && failure.peer < rank.size() && failure.call == 1, "whom, and in which exchange?");
    expect(rank.size() > 2 || failure.peer == rank.size() - 1, "rank 1 was missing");
  }
}

void ends_when_told(MappedRank& rank) {
  Buffers buffers(rank);
  buffers.prepare(0);
  rank.barrier();
  if (rank.rank() + 1 < rank.size()) {
    rank.exchange(buffers.moves(), nullptr);
    rank.abort();
    expect(seconds_until_over() < 5, "an abort took 5 s");
    expect(rank.failure().status == BANYAN_ERR_ABORTED, "not aborted");
  }
}

struct Case {
  const char* name;
  std::function<void(MappedRank&)> body;
  double timeout_s;
};

int run(const std::string& folder, int most_ranks) {
  const banyan_device_ops& ops = load_plugin(folder);
  const std::vector<Case> cases = {{"places_every_byte", places_every_byte, 60},
                                   {"runs_back_to_back", runs_back_to_back, 60},
                                   {"replays_graphs", replays_graphs, 60},
                                   {"names_who_is_missing", names_who_is_missing, 1},
                                   {"ends_when_told", ends_when_told, 60}};
  int failed = 0;
  for (const Case& one : cases) {
    for (int size = one.timeout_s < 60 ? 2 : 1; size <= most_ranks; ++size) {
      const auto start = std::chrono::steady_clock::now();
      const int ranks = run_ranks(ops, size, kEager, one.timeout_s, one.body);
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      std::printf("%s %s of %d ranks (%.1f s)\n", ranks == 0 ? "ok    " : "FAILED", one.name, size, seconds);
      std::fflush(stdout);
      failed += ranks == 0 ? 0 : 1;
    }
  }
  return failed == 0 ? 0 : 1;
}

/// In a process of its own: the driver must not be up when ranks are forked.
bool has_device(const std::string& folder) {
  const int failed = run_ranks(load_plugin(folder), 1, kEager, 1, [](MappedRank&) {});
  return failed == 0;
}

}  // namespace
}  // namespace banyan::gpu_test

int main(int argc, char** argv) {
  constexpr int kSkipped = 77;
  const std::string folder = argc > 1 ? argv[1] : ".";
  const int most_ranks = argc > 2 ? std::atoi(argv[2]) : 4;
  try {
    if (!banyan::gpu_test::has_device(folder)) {
      std::printf("skipped: no device (see above)\n");
      return kSkipped;
    }
    return banyan::gpu_test::run(folder, most_ranks);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "exchange_exam: %s\n", error.what());
    return 1;
  }
}
