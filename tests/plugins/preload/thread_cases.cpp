// SPDX-License-Identifier: Apache-2.0
// MPI_THREAD_MULTIPLE: a communicator per thread.
#include <array>
#include <atomic>
#include <thread>

#include "program.hpp"

namespace preload_test {
namespace {

void two_threads() {
  constexpr int kRounds = 100;
  int provided = 0;
  MPI_Query_thread(&provided);
  check(provided == MPI_THREAD_MULTIPLE, "MPI has no MPI_THREAD_MULTIPLE");
  std::array<MPI_Comm, 2> comms{};
  for (MPI_Comm& comm : comms) {
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
  }
  expect_banyan_calls(2 * kRounds, "two threads", [&] {
    std::vector<std::thread> threads;
    for (size_t t = 0; t < comms.size(); ++t) {
      threads.emplace_back([comm = comms[t], t] {
        std::mt19937 shared(static_cast<unsigned>(t)), own(static_cast<unsigned>(100 + rank_of(comm)));
        for (int round = 0; round < kRounds; ++round) {
          compare_alltoallv(comm, random_counts(size_of(comm), 200, shared), MPI_INT, MPI_INT, own);
        }
      });
    }
    for (auto& thread : threads) {
      thread.join();
    }
  });
  for (MPI_Comm& comm : comms) {
    MPI_Comm_free(&comm);
  }
}

}  // namespace

const std::vector<Case> kThreadCases = {{"two_threads", two_threads}};

}  // namespace preload_test
