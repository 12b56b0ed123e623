// SPDX-License-Identifier: Apache-2.0
#include "exchanges.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <numeric>
#include <thread>

namespace {

constexpr int kInt8 = 0;

/// As programs wait for a communicator that does not block.
void wait_for(nccl::Comm* comm) {
  nccl::Result state = nccl::Result::kInProgress;
  int num_polls = 0;
  while (state == nccl::Result::kInProgress && num_polls < 100) {
    ncclCommGetAsyncError(comm, &state);
    ++num_polls;
  }
  print("ready", state);
}

nccl::Result all_to_all(nccl::Comm* comm, int num_ranks, size_t size_bytes) {
  std::vector<char> memory(size_bytes);
  ncclGroupStart();
  for (int peer = 0; peer < num_ranks; ++peer) {
    ncclSend(memory.data(), size_bytes, kInt8, peer, comm, nullptr);
    ncclRecv(memory.data(), size_bytes, kInt8, peer, comm, nullptr);
  }
  return ncclGroupEnd();
}

}  // namespace

void print(const char* what, nccl::Result result) { std::printf("%s: %d\n", what, static_cast<int>(result)); }

void print_sum(const char* what, double value) { std::printf("%s: %.1f\n", what, value); }

nccl::Stream* stream(size_t number) { return reinterpret_cast<nccl::Stream*>(number); }

nccl::UniqueId unique_id() {
  nccl::UniqueId id;
  ncclGetUniqueId(&id);
  return id;
}

nccl::Comm* init_rank(int rank, int num_ranks) {
  nccl::Comm* comm = nullptr;
  print("init", ncclCommInitRank(&comm, num_ranks, unique_id(), rank));
  return comm;
}

void exchange(nccl::Comm* comm, const std::vector<Block>& sends, const std::vector<Block>& receives) {
  std::vector<std::vector<char>> received;
  received.reserve(receives.size());
  const std::vector<char> sent(1024, 'b');
  ncclGroupStart();
  for (const Block& block : sends) {
    print("send", ncclSend(sent.data(), block.size_bytes, kInt8, block.peer, comm, nullptr));
  }
  for (const Block& block : receives) {
    received.emplace_back(block.size_bytes);
    print("receive", ncclRecv(received.back().data(), block.size_bytes, kInt8, block.peer, comm, nullptr));
  }
  print("group", ncclGroupEnd());
  for (const auto& block : received) {
    print_sum("received", std::accumulate(block.begin(), block.end(), 0.0));
  }
}

void destroy(const std::vector<nccl::Comm*>& comms) {
  for (nccl::Comm* comm : comms) {
    print("destroy", ncclCommDestroy(comm));
  }
}

void life_cycle() {
  std::vector<nccl::Comm*> world(4);
  ncclCommInitAll(world.data(), 4, nullptr);
  std::vector<nccl::Comm*> halves(4);
  ncclGroupStart();
  for (int rank = 0; rank < 4; ++rank) {  // rank 3 is in no half
    ncclCommSplit(world[static_cast<size_t>(rank)], rank == 3 ? nccl::kNoColor : rank / 2, -rank,
                  &halves[static_cast<size_t>(rank)], nullptr);
  }
  print("split", ncclGroupEnd());
  std::printf("rank 3 has %s\n", halves[3] == nullptr ? "none" : "one");
  print("exchange in a half", all_to_all(halves[1], 2, 3));
  print("exchange in the other", all_to_all(halves[2], 1, 3));
  std::array<int, 1> excluded = {0};
  nccl::Comm* rest = nullptr;
  print("shrink", ncclCommShrink(world[1], excluded.data(), 1, &rest, nullptr, 0));
  print("exchange in the rest", all_to_all(rest, 3, 5));
  print("abort", ncclCommAbort(rest));
  print("revoke", ncclCommRevoke(world[2], 0));
  print("finalize", ncclCommFinalize(world[1]));
  destroy({halves[0], halves[1], halves[2], world[0], world[1], world[2]});
  // Handles are used again.
  for (size_t round = 1; round <= 3; ++round) {
    nccl::Comm* comm = nullptr;
    std::array<nccl::UniqueId, 2> ids = {unique_id(), unique_id()};
    print("init", ncclCommInitRankScalable(&comm, 2, 1, 2, ids.data(), nullptr));
    print("exchange", all_to_all(comm, 2, round));
    destroy({comm});
  }
}

void non_blocking() {
  BlockingConfig config;
  nccl::Comm* comm = nullptr;
  print("init", ncclCommInitRankConfig(&comm, 3, unique_id(), 1, reinterpret_cast<nccl::Config*>(&config)));
  wait_for(comm);
  print("exchange", all_to_all(comm, 3, 7));
  print("destroyed too early", ncclCommDestroy(comm));
  wait_for(comm);
  nccl::Comm* child = nullptr;
  print("split", ncclCommSplit(comm, 5, 0, &child, nullptr));
  std::printf("child %s\n", child == nullptr ? "not yet" : "made");
  wait_for(comm);
  print("exchange of the child", all_to_all(child, 3, 9));
  wait_for(child);
  destroy({child, comm});
}

/// Two threads with communicators of their own, whose groups are open at the same time.
void threads() {
  constexpr int kRounds = 100;
  std::atomic<int> num_begun{0};
  const auto work = [&](nccl::Comm* comm, int num_ranks) {
    ncclGroupStart();
    ++num_begun;
    while (num_begun < 2) {
      std::this_thread::yield();
    }
    ncclGroupEnd();
    for (int round = 0; round < kRounds; ++round) {
      all_to_all(comm, num_ranks, static_cast<size_t>(num_ranks));
    }
  };
  nccl::Comm* first = init_rank(0, 2);
  nccl::Comm* second = init_rank(2, 3);
  std::thread thread(work, first, 2);
  while (num_begun < 1) {
    std::this_thread::yield();
  }
  std::thread other(work, second, 3);
  thread.join();
  other.join();
  destroy({first, second});
}

void job() {
  const char* launched = std::getenv("BANYAN_RANK");
  const int rank = launched != nullptr ? std::atoi(launched) : 0;
  nccl::Comm* comm = init_rank(rank, 4);
  const auto size = [](int source, int destination, int round) {
    return static_cast<size_t>(source == 1 && destination == 2 ? 0 : 100 * source + 10 * destination + round);
  };
  for (const int round : {1, 2}) {
    std::vector<Block> sends;
    std::vector<Block> receives;
    for (int peer = 0; peer < 4; ++peer) {
      if (size(rank, peer, round) > 0) {
        sends.push_back({peer, size(rank, peer, round)});
      }
      if (size(peer, rank, round) > 0) {
        receives.push_back({peer, size(peer, rank, round)});
      }
    }
    exchange(comm, sends, receives);
  }
  std::array<char, 256> memory{};
  for (const size_t count : {32, 64}) {
    print("alltoall", ncclAlltoAll(memory.data(), memory.data(), count, kInt8, comm, nullptr));
  }
  destroy({comm});
}

void time_calls() {
  constexpr int kRanks = 8;
  constexpr int kGroups = 5000;
  constexpr int kRounds = 10;
  constexpr int kCalls = 2 * kRanks + 2;
  nccl::Comm* comm = init_rank(0, kRanks);
  double fastest_s = 1e9;
  for (int round = 0; round < kRounds; ++round) {
    const std::clock_t begin = std::clock();  // of this process: others use the machine too
    for (int group = 0; group < kGroups; ++group) {
      all_to_all(comm, kRanks, 8);
    }
    fastest_s = std::min(fastest_s, static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC);
  }
  std::fprintf(stderr, "%.1f ns per call of NCCL\n", fastest_s / kGroups / kCalls * 1e9);
  destroy({comm});
}
