// SPDX-License-Identifier: Apache-2.0
// Programs that use NCCL and know nothing of Banyan. What they print, and what NCCL sees, must not depend on it.
#include "cases.hpp"

#include <array>
#include <cstdio>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "exchanges.hpp"
#include "nccl_api.hpp"

namespace {

constexpr int kFloat = 7;
constexpr int kInt8 = 0;

std::vector<nccl::Comm*> init_all(int num_ranks) {
  std::vector<nccl::Comm*> comms(static_cast<size_t>(num_ranks));
  print("init all", ncclCommInitAll(comms.data(), num_ranks, nullptr));
  return comms;
}

/// ncclAlltoAll of all ranks of this process, three times, in groups.
void alltoall() {
  const auto comms = init_all(4);
  for (const size_t count : {5, 7, 9}) {
    std::vector<std::vector<float>> sent;
    std::vector<std::vector<float>> received(4, std::vector<float>(4 * count));
    for (int rank = 0; rank < 4; ++rank) {
      sent.emplace_back(4 * count);
      std::iota(sent.back().begin(), sent.back().end(), static_cast<float>(1000 * rank));
    }
    ncclGroupStart();
    for (size_t rank = 0; rank < 4; ++rank) {
      print("alltoall", ncclAlltoAll(sent[rank].data(), received[rank].data(), count, kFloat, comms[rank], nullptr));
    }
    print("group", ncclGroupEnd());
    for (const auto& block : received) {
      print_sum("received", std::accumulate(block.begin(), block.end(), 0.0));
    }
  }
  destroy(comms);
}

/// ncclAlltoAll outside of groups, of one rank in its own process.
void alltoall_alone() {
  nccl::Comm* comm = init_rank(1, 4);
  std::vector<float> sent(64, 1.5F);
  std::vector<float> received(64);
  print("alltoall", ncclAlltoAll(sent.data(), received.data(), 16, kFloat, comm, nullptr));
  print("alltoall of nothing", ncclAlltoAll(sent.data(), received.data(), 0, kFloat, comm, nullptr));
  destroy({comm});
}

void equal_groups() {
  nccl::Comm* comm = init_rank(1, 4);
  for (int round = 0; round < 5; ++round) {
    exchange(comm, {{0, 64}, {1, 64}, {2, 64}, {3, 64}}, {{0, 64}, {1, 64}, {2, 64}, {3, 64}});
  }
  destroy({comm});
}

void uneven_groups() {
  nccl::Comm* comm = init_rank(2, 4);
  exchange(comm, {{0, 1}, {1, 4}, {2, 7}, {3, 10}}, {{0, 3}, {1, 3}, {2, 7}, {3, 9}});
  destroy({comm});
}

/// As PyTorch does with splits of nothing.
void empty_pairs_left_out() {
  nccl::Comm* comm = init_rank(1, 4);
  exchange(comm, {{0, 8}, {2, 16}, {3, 24}}, {{0, 8}, {1, 4}, {2, 8}});
  destroy({comm});
}

/// Neighbours of a pipeline, in groups of one and of both directions, and a send by itself.
void pipelines() {
  nccl::Comm* comm = init_rank(1, 4);
  exchange(comm, {{2, 100}}, {{0, 100}});
  exchange(comm, {{2, 100}, {0, 50}}, {{2, 50}});
  exchange(comm, {{2, 100}}, {});
  std::array<char, 32> memory{};
  print("send", ncclSend(memory.data(), memory.size(), kInt8, 3, comm, nullptr));
  destroy({comm});
}

void two_to_each() {
  nccl::Comm* comm = init_rank(0, 3);
  exchange(comm, {{0, 1}, {1, 1}, {2, 1}, {0, 1}, {1, 1}, {2, 1}}, {{0, 1}, {1, 1}, {2, 1}, {0, 1}, {1, 1}, {2, 1}});
  destroy({comm});
}

void nested_groups() {
  nccl::Comm* comm = init_rank(0, 3);
  std::array<char, 64> memory{};
  ncclGroupStart();
  for (int peer = 0; peer < 3; ++peer) {
    ncclGroupStart();
    ncclSend(memory.data(), 10, kInt8, peer, comm, nullptr);
    print("inner group", ncclGroupEnd());
  }
  ncclGroupStart();
  for (int peer = 0; peer < 3; ++peer) {
    ncclRecv(memory.data(), 10, kInt8, peer, comm, nullptr);
  }
  print("inner group", ncclGroupEnd());
  print("group", ncclGroupEnd());
  print("group that was not begun", ncclGroupEnd());
  exchange(comm, {{0, 5}, {1, 5}, {2, 5}}, {{0, 5}, {1, 5}, {2, 5}});
  destroy({comm});
}

/// A complete exchange on each, their calls mixed.
void two_communicators() {
  nccl::Comm* four = init_rank(3, 4);
  nccl::Comm* three = init_rank(1, 3);
  std::array<char, 64> memory{};
  ncclGroupStart();
  for (int peer = 0; peer < 4; ++peer) {
    ncclSend(memory.data(), 11, kInt8, peer, four, nullptr);
    ncclRecv(memory.data(), 11, kInt8, peer, four, nullptr);
    if (peer < 3) {
      ncclSend(memory.data(), 22, kInt8, peer, three, nullptr);
      ncclRecv(memory.data(), 33, kInt8, peer, three, nullptr);
    }
  }
  print("group", ncclGroupEnd());
  destroy({four, three});
}

void two_streams() {
  nccl::Comm* comm = init_rank(0, 3);
  std::array<char, 64> memory{};
  ncclGroupStart();
  for (int peer = 0; peer < 3; ++peer) {
    ncclSend(memory.data(), 1, kInt8, peer, comm, stream(peer == 2 ? 2 : 1));
    ncclRecv(memory.data(), 1, kInt8, peer, comm, stream(1));
  }
  print("group", ncclGroupEnd());
  destroy({comm});
}

/// A group that NCCL refuses is none, and the next is.
void errors() {
  nccl::Comm* comm = init_rank(0, 3);
  exchange(comm, {{0, 1}, {1, 1}, {7, 1}}, {{0, 1}, {1, 1}, {2, 1}});
  exchange(comm, {{0, 1}, {1, 1}, {2, 1}}, {{0, 1}, {1, 1}, {2, 1}});
  nccl::Comm* none = nullptr;
  print("a rank too high", ncclCommInitRank(&none, 2, unique_id(), 2));
  print("send without a communicator", ncclSend(&none, 1, kInt8, 0, nullptr, nullptr));
  destroy({comm});
}

void simulated() {
  nccl::Comm* comm = init_rank(0, 3);
  std::array<char, 8> memory{};
  ncclGroupStart();
  for (int peer = 0; peer < 3; ++peer) {
    ncclSend(memory.data(), 1, kInt8, peer, comm, nullptr);
    ncclRecv(memory.data(), 1, kInt8, peer, comm, nullptr);
  }
  print("simulated group", ncclGroupSimulateEnd(nullptr));
  exchange(comm, {{0, 2}, {1, 2}, {2, 2}}, {{0, 2}, {1, 2}, {2, 2}});
  destroy({comm});
}

void unknown_datatype() {
  constexpr int kOfTheFuture = 99;
  nccl::Comm* comm = init_rank(0, 2);
  std::array<char, 8> memory{};
  ncclGroupStart();
  for (int peer = 0; peer < 2; ++peer) {
    ncclSend(memory.data(), 4, kOfTheFuture, peer, comm, nullptr);
    ncclRecv(memory.data(), 4, kInt8, peer, comm, nullptr);
  }
  print("group", ncclGroupEnd());
  destroy({comm});
}

/// What an NCCL before 2.28 does not have.
void missing_function() {
  nccl::Comm* comm = init_rank(0, 2);
  std::array<float, 4> memory{};
  print("alltoall", ncclAlltoAll(memory.data(), memory.data(), 1, kFloat, comm, nullptr));
  print("alltoall", ncclAlltoAll(memory.data(), memory.data(), 1, kFloat, comm, nullptr));
  exchange(comm, {{0, 2}, {1, 2}}, {{0, 2}, {1, 2}});
  destroy({comm});
}

const std::map<std::string, void (*)()> kCases = {
    {"alltoall", alltoall},
    {"alltoall_alone", alltoall_alone},
    {"empty_pairs_left_out", empty_pairs_left_out},
    {"equal_groups", equal_groups},
    {"errors", errors},
    {"job", job},
    {"life_cycle", life_cycle},
    {"missing_function", missing_function},
    {"nested_groups", nested_groups},
    {"non_blocking", non_blocking},
    {"pipelines", pipelines},
    {"simulated", simulated},
    {"threads", threads},
    {"time", time_calls},
    {"two_communicators", two_communicators},
    {"two_streams", two_streams},
    {"two_to_each", two_to_each},
    {"uneven_groups", uneven_groups},
    {"unknown_datatype", unknown_datatype},
};

}  // namespace

extern "C" __attribute__((visibility("default"))) int run_case(const char* name) {
  const auto found = kCases.find(name);
  if (found == kCases.end()) {
    std::fprintf(stderr, "there is no case %s\n", name);
    return 1;
  }
  found->second();
  return 0;
}

extern "C" __attribute__((visibility("default"))) void* make_communicator() { return init_rank(0, 2); }
