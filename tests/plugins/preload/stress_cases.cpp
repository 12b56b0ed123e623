// SPDX-License-Identifier: Apache-2.0
// Many calls over communicators of four shapes, by three forms, from one thread and from two at once: each compared
// with what the ranks can tell without another exchange, and no memory or descriptors kept.
#include <malloc.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "program.hpp"

namespace preload_test {
namespace {

enum class Form { kUniform, kUneven, kByPair };

constexpr std::array kForms = {Form::kUniform, Form::kUneven, Form::kByPair};
constexpr int kLargestBlock = 24;

/// What rank `from` sends to rank `to` in a round, as its first element; the others count up.
int first_element(int from, int to, int round) { return from * 1'000'000 + to * 10'000 + round % 10'000; }

int count_of(Form form, int from, int to, int round) {
  return form == Form::kUniform ? round % kLargestBlock : (3 * from + 5 * to + round) % kLargestBlock;
}

/// The buffers of one thread on one communicator.
class Caller {
 public:
  explicit Caller(MPI_Comm comm)
      : comm_(comm), rank_(rank_of(comm)), size_(size_of(comm)), types_(static_cast<size_t>(size_), MPI_INT) {
    const size_t elements = static_cast<size_t>(size_) * kLargestBlock;
    sent_.resize(elements);
    received_.resize(elements);
    for (auto* numbers : {&sendcounts_, &recvcounts_, &displs_, &byte_displs_}) {
      numbers->resize(static_cast<size_t>(size_));
    }
  }

  void exchange(Form form, int round) {
    const int stride = form == Form::kUniform ? count_of(form, 0, 0, round) : kLargestBlock;
    for (int peer = 0; peer < size_; ++peer) {
      const auto p = static_cast<size_t>(peer);
      sendcounts_[p] = count_of(form, rank_, peer, round);
      recvcounts_[p] = count_of(form, peer, rank_, round);
      displs_[p] = peer * stride;
      byte_displs_[p] = displs_[p] * static_cast<int>(sizeof(int));
      for (int i = 0; i < sendcounts_[p]; ++i) {
        sent_[static_cast<size_t>(displs_[p] + i)] = first_element(rank_, peer, round) + i;
      }
    }
    call(form);
    for (int peer = 0; peer < size_; ++peer) {
      const auto p = static_cast<size_t>(peer);
      for (int i = 0; i < recvcounts_[p]; ++i) {
        right_ = right_ && received_[static_cast<size_t>(displs_[p] + i)] == first_element(peer, rank_, round) + i;
      }
    }
  }

  [[nodiscard]] bool right() const { return right_; }

 private:
  void call(Form form) {
    switch (form) {
      case Form::kUniform:
        MPI_Alltoall(sent_.data(), sendcounts_[0], MPI_INT, received_.data(), recvcounts_[0], MPI_INT, comm_);
        break;
      case Form::kUneven:
        MPI_Alltoallv(sent_.data(), sendcounts_.data(), displs_.data(), MPI_INT, received_.data(), recvcounts_.data(),
                      displs_.data(), MPI_INT, comm_);
        break;
      case Form::kByPair:
        MPI_Alltoallw(sent_.data(), sendcounts_.data(), byte_displs_.data(), types_.data(), received_.data(),
                      recvcounts_.data(), byte_displs_.data(), types_.data(), comm_);
        break;
    }
  }

  MPI_Comm comm_;
  int rank_, size_;
  std::vector<MPI_Datatype> types_;
  std::vector<int> sent_, received_, sendcounts_, recvcounts_, displs_, byte_displs_;
  bool right_ = true;
};

/// The shapes: all ranks, all in reverse, halves of neighbours, and every rank but the first beside that one alone.
std::array<MPI_Comm, 4> make_shapes() {
  const int rank = rank_of(MPI_COMM_WORLD), size = size_of(MPI_COMM_WORLD);
  std::array<MPI_Comm, 4> shapes{};
  MPI_Comm_dup(MPI_COMM_WORLD, &shapes[0]);
  MPI_Comm_split(MPI_COMM_WORLD, 0, -rank, &shapes[1]);
  MPI_Comm_split(MPI_COMM_WORLD, 2 * rank / size, rank, &shapes[2]);
  MPI_Comm_split(MPI_COMM_WORLD, rank == 0 ? 1 : 0, rank, &shapes[3]);
  return shapes;
}

void call_often(MPI_Comm comm, Form form, int num_threads, int rounds) {
  std::vector<MPI_Comm> comms(static_cast<size_t>(num_threads), comm);
  for (size_t t = 1; t < comms.size(); ++t) {
    MPI_Comm_dup(comm, &comms[t]);
  }
  std::vector<Caller> callers(comms.begin(), comms.end());
  std::vector<std::thread> threads;
  for (Caller& caller : callers) {
    threads.emplace_back([&caller, form, rounds] {
      for (int round = 0; round < rounds; ++round) {
        caller.exchange(form, round);
      }
    });
  }
  for (size_t t = 0; t < threads.size(); ++t) {
    threads[t].join();
    check(callers[t].right(), "form " + std::to_string(static_cast<int>(form)) + ": data are wrong");
  }
  for (size_t t = 1; t < comms.size(); ++t) {
    MPI_Comm_free(&comms[t]);
  }
}

/// Bytes that this process has in use when that no longer changes: what communicators had is given back a little after
/// they were freed. After far longer than any machine needs, whatever there is.
size_t settled_bytes_in_use() {
  constexpr std::chrono::milliseconds kStill(1500);  // a goodbye that nobody answers takes one second
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  size_t before = ::mallinfo2().uordblks;
  while (std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(kStill);
    const size_t now = ::mallinfo2().uordblks;
    if (now == before) {
      break;
    }
    before = now;
  }
  return before;
}

/// Calls for each of the 24 combinations; PRELOAD_STRESS_CALLS raises them.
void stress() {
  const char* wanted = std::getenv("PRELOAD_STRESS_CALLS");
  const int calls = wanted != nullptr ? std::atoi(wanted) : 24000;
  constexpr int kCombinations = 24;
  auto shapes = make_shapes();
  const auto go_through = [&](int rounds) {
    for (const MPI_Comm shape : shapes) {
      for (const Form form : kForms) {
        for (const int num_threads : {1, 2}) {
          call_often(shape, form, num_threads, rounds / num_threads);
        }
      }
    }
  };
  go_through(20);  // what is made once and kept
  const size_t before = settled_bytes_in_use();
  go_through(calls / kCombinations);
  const size_t after = settled_bytes_in_use();
  constexpr size_t kAllowedBytes = 1 << 20;  // of caches, whatever the number of calls
  check(after < before + kAllowedBytes,
        std::to_string(before) + " bytes in use before, " + std::to_string(after) + " after");
  for (MPI_Comm& shape : shapes) {
    MPI_Comm_free(&shape);
  }
}

}  // namespace

const std::vector<Case> kStressCases = {{"stress", stress}};

}  // namespace preload_test
