// SPDX-License-Identifier: Apache-2.0
// Communicators split from others.
#include <gtest/gtest.h>
#include <sched.h>

#include <thread>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/factory.hpp"

namespace banyan::comm {
namespace {

/// While it lives, this thread and those that it starts have one core.
class OneCore {
 public:
  OneCore() {
    EXPECT_EQ(::sched_getaffinity(0, sizeof before_, &before_), 0);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(::sched_getcpu(), &one);
    EXPECT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  }
  ~OneCore() { ::sched_setaffinity(0, sizeof before_, &before_); }
  OneCore(const OneCore&) = delete;
  OneCore& operator=(const OneCore&) = delete;

 private:
  cpu_set_t before_{};
};

/// Whether each of `size` ranks as threads yields in a communicator of its own, split from theirs.
std::vector<int> yields_alone(int size) {
  const auto parents = create_local(std::vector<Settings>(static_cast<size_t>(size)));
  std::vector<int> yields(parents.size(), -1);
  std::vector<std::thread> threads;
  for (size_t rank = 0; rank < parents.size(); ++rank) {
    threads.emplace_back([&, rank] {
      const auto alone = split(*parents[rank], static_cast<int>(rank), 0);
      yields[rank] = alone->yields() ? 1 : 0;
      parents[rank]->say_goodbye();
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  return yields;
}

TEST(Split, YieldsTheCoresThatItSharesWithTheOthersOfItsParent) {
  const OneCore one_core;
  EXPECT_EQ(yields_alone(1), std::vector<int>({0}));
  EXPECT_EQ(yields_alone(2), std::vector<int>({1, 1}));
}

}  // namespace
}  // namespace banyan::comm
