// SPDX-License-Identifier: Apache-2.0
// program CASE...: runs the cases one after the other on all ranks of MPI_COMM_WORLD; exit status 1 if any failed on
// any.
#include "program.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <string_view>

namespace preload_test {
namespace {

std::atomic<int> failures = 0;
std::string running;

const Case* find_case(std::string_view name) {
  for (const auto* cases :
       {&kDataCases, &kCommunicatorCases, &kFormCases, &kObstacleCases, &kStressCases, &kThreadCases}) {
    for (const Case& one : *cases) {
      if (one.name == name) {
        return &one;
      }
    }
  }
  return nullptr;
}

void run_case(const char* name) {
  running = name;
  const Case* one = find_case(name);
  check(one != nullptr, "there is no such case");
  if (one != nullptr) {
    one->run();
  }
}

}  // namespace

void check(bool right, const std::string& what) {
  if (!right) {
    ++failures;
    std::fprintf(stderr, "wrong: %s: %s\n", running.c_str(), what.c_str());
  }
}

int num_failures() { return failures; }

void expect_banyan_calls(uint64_t expected, const std::string& what, const std::function<void()>& body) {
  const uint64_t before = preload_test_banyan_calls();
  body();
  const uint64_t made = preload_test_banyan_calls() - before;
  check(made == expected,
        what + ": Banyan made " + std::to_string(made) + " exchanges, not " + std::to_string(expected));
}

int rank_of(MPI_Comm comm) {
  int rank = -1;
  MPI_Comm_rank(comm, &rank);
  return rank;
}

int size_of(MPI_Comm comm) {
  int size = 0;
  MPI_Comm_size(comm, &size);
  return size;
}

std::vector<std::byte> random_bytes(size_t size, std::mt19937& random) {
  std::vector<std::byte> bytes(size);
  std::generate(bytes.begin(), bytes.end(), [&] { return static_cast<std::byte>(random()); });
  return bytes;
}

std::array<MPI_Comm, 2> two_copies() {
  std::array<MPI_Comm, 2> comms{};
  for (MPI_Comm& comm : comms) {
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
  }
  return comms;
}

void free_in_opposite_orders(std::array<MPI_Comm, 2>& comms) {
  const int rank = rank_of(MPI_COMM_WORLD), other = rank ^ 1;
  if (rank % 2 == 0) {
    MPI_Comm_free(&comms[0]);
    MPI_Comm_free(&comms[1]);
    MPI_Ssend(nullptr, 0, MPI_BYTE, other, 3, MPI_COMM_WORLD);
  } else {
    MPI_Recv(nullptr, 0, MPI_BYTE, other, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Comm_free(&comms[1]);
    MPI_Comm_free(&comms[0]);
  }
}

}  // namespace preload_test

int main(int argc, char** argv) {
  int provided = 0;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
  preload_test::check(argc > 1, "usage: program CASE...");
  for (int i = 1; i < argc; ++i) {
    preload_test::run_case(argv[i]);
  }
  int mine = preload_test::num_failures(), all = 0;
  MPI_Allreduce(&mine, &all, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  MPI_Finalize();
  return all == 0 ? 0 : 1;
}
