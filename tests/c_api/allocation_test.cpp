// SPDX-License-Identifier: Apache-2.0
// Exchanges in the steady state take no memory from the heap: four ranks as threads, of two hosts by their ids, so that
// messages inside a host and, over UCX, between hosts are covered.
#include <gtest/gtest.h>

#include <algorithm>
#include <barrier>
#include <cstdlib>
#include <cstring>
#include <new>
#include <random>
#include <thread>
#include <vector>

#include "banyan/banyan.h"

namespace {

thread_local size_t allocations = 0;

void* allocate(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size > 0 ? size : 1)) {
    return memory;
  }
  throw std::bad_alloc();
}

}  // namespace

// Of this program, and of the libraries that it loads.
__attribute__((visibility("default"))) void* operator new(size_t size) { return allocate(size); }
__attribute__((visibility("default"))) void operator delete(void* memory) noexcept { std::free(memory); }
__attribute__((visibility("default"))) void operator delete(void* memory, size_t /*size*/) noexcept {
  std::free(memory);
}

namespace {

constexpr int kRanks = 4;
constexpr int kWarmUps = 400;         // all ways of the tuner are tried
constexpr int kCounted = 250;         // and some again
constexpr size_t kMostBytes = 40000;  // some pairs are aggregated, some travel alone, in several pieces

/// An allgather among threads.
struct Meeting {
  std::barrier<> barrier{kRanks};
  std::vector<const char*> given = std::vector<const char*>(kRanks);
};

struct Place {
  Meeting* meeting;
  int rank;
};

int gather(const void* send, void* receive, size_t size, void* context) {
  const auto& place = *static_cast<Place*>(context);
  place.meeting->given[static_cast<size_t>(place.rank)] = static_cast<const char*>(send);
  place.meeting->barrier.arrive_and_wait();
  for (size_t rank = 0; rank < kRanks; ++rank) {
    std::memcpy(static_cast<char*>(receive) + rank * size, place.meeting->given[rank], size);
  }
  place.meeting->barrier.arrive_and_wait();
  return 0;
}

/// Counts of one call, other ones each time; equal on all ranks.
std::vector<size_t> matrix_of(int call) {
  std::mt19937 random(static_cast<unsigned>(call));
  std::vector<size_t> matrix(kRanks * kRanks);
  for (size_t& bytes : matrix) {
    bytes = random() % 3 == 0 ? random() % kMostBytes : random() % 300;
  }
  return matrix;
}

class Rank {
 public:
  Rank(Meeting& meeting, int rank) : place_{&meeting, rank} {
    banyan_comm_config config = BANYAN_COMM_CONFIG_INIT;
    config.host_id = rank < kRanks / 2 ? "a" : "b";
    EXPECT_EQ(banyan_comm_create(rank, kRanks, gather, &place_, &config, &comm_), BANYAN_OK) << banyan_last_error();
    for (size_t peer = 0; peer < kRanks; ++peer) {
      displs_[peer] = peer * kMostBytes;
    }
    const double weights[kRanks] = {1, 1, 1, 1};
    banyan_weighted_options options = BANYAN_WEIGHTED_OPTIONS_INIT;
    options.weights = weights;
    options.rows = kRanks * kMostBytes;
    options.overflow = BANYAN_OVERFLOW_DROP;
    EXPECT_EQ(banyan_weighted_alltoall_init(comm_, &options, 1, &weighted_), BANYAN_OK) << banyan_last_error();
  }
  ~Rank() {
    banyan_request_free(weighted_);
    banyan_comm_destroy(comm_);
  }
  Rank(const Rank&) = delete;
  Rank& operator=(const Rank&) = delete;

  /// Counts that change from call to call, or the largest ones.
  void alltoallv(int call, bool largest) {
    const auto matrix = largest ? std::vector<size_t>(kRanks * kRanks, kMostBytes) : matrix_of(call);
    const auto own = static_cast<size_t>(place_.rank);
    for (size_t peer = 0; peer < kRanks; ++peer) {
      sends_[peer] = matrix[own * kRanks + peer];
      receives_[peer] = matrix[peer * kRanks + own];
    }
    const size_t before = allocations;
    EXPECT_EQ(banyan_alltoallv(comm_, send_.data(), sends_, displs_, receive_.data(), receives_, displs_, 1, nullptr),
              BANYAN_OK)
        << banyan_last_error();
    counted_ += allocations - before;
  }

  /// The same counts, into room for the largest.
  void weighted(int call, bool largest) {
    const auto matrix = largest ? std::vector<size_t>(kRanks * kRanks, kMostBytes) : matrix_of(call);
    std::copy_n(matrix.begin() + place_.rank * kRanks, kRanks, sends_);
    const size_t before = allocations;
    EXPECT_EQ(banyan_weighted_alltoall_start(weighted_, send_.data(), sends_, displs_, receive_.data(), nullptr),
              BANYAN_OK)
        << banyan_last_error();
    EXPECT_EQ(banyan_request_wait(weighted_), BANYAN_OK) << banyan_last_error();
    banyan_weighted_result result{};
    result.struct_size = sizeof result;
    EXPECT_EQ(banyan_weighted_alltoall_result(weighted_, &result), BANYAN_OK);
    counted_ += allocations - before;
    for (size_t peer = 0; peer < kRanks; ++peer) {
      EXPECT_EQ(result.recvcounts[peer], matrix[peer * kRanks + static_cast<size_t>(place_.rank)]);
    }
  }

  void alltoall() {
    const size_t before = allocations;
    EXPECT_EQ(banyan_alltoall(comm_, send_.data(), receive_.data(), 100, 1, nullptr), BANYAN_OK);
    counted_ += allocations - before;
  }

  void forget_count() { counted_ = 0; }
  [[nodiscard]] size_t counted() const { return counted_; }

 private:
  Place place_;
  banyan_comm* comm_ = nullptr;
  banyan_request* weighted_ = nullptr;
  size_t sends_[kRanks] = {}, receives_[kRanks] = {}, displs_[kRanks] = {};
  std::vector<char> send_ = std::vector<char>(kRanks * kMostBytes);
  std::vector<char> receive_ = std::vector<char>(kRanks * kMostBytes);
  size_t counted_ = 0;
};

TEST(Allocation, CountingWorks) {
  const size_t before = allocations;
  std::vector<int> some(10);
  EXPECT_EQ(allocations, before + 1);
}

TEST(Allocation, NoneInTheSteadyState) {
  Meeting meeting;
  std::vector<std::thread> threads;
  for (int number = 0; number < kRanks; ++number) {
    threads.emplace_back([&meeting, number] {
      Rank rank(meeting, number);
      for (int call = 0; call < kWarmUps; ++call) {
        rank.alltoallv(call, /*largest=*/true);
        rank.weighted(call, /*largest=*/true);
        rank.alltoall();
      }
      EXPECT_GT(rank.counted(), 0U) << "planning allocates, and what the library allocates is counted";
      rank.forget_count();
      for (int call = 0; call < kCounted; ++call) {
        rank.alltoallv(kWarmUps + call, /*largest=*/false);
        rank.weighted(kWarmUps + call, /*largest=*/false);
        rank.alltoall();
      }
      EXPECT_EQ(rank.counted(), 0U) << "rank " << number;
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

}  // namespace
