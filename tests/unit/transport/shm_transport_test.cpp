// SPDX-License-Identifier: Apache-2.0
// What the conformance exam does not ask of every transport.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <vector>

#include "base/deadline.hpp"
#include "transport/registry.hpp"
#include "transport/transport.hpp"

namespace banyan::transport {
namespace {

using Request = banyan_transport_request;

/// Ranks of one communicator in this thread: nothing blocks, so one thread can play them all.
class Ranks {
 public:
  explicit Ranks(int size) {
    for (int rank = 0; rank < size; ++rank) {
      banyan_transport_config config{};
      config.struct_size = sizeof(config);
      config.rank = rank;
      config.size = size;
      config.comm_id = 99;
      config.timeout_s = 5;
      transports_.push_back(std::make_unique<Transport>(shm_table(), config));
    }
    for (auto& from : transports_) {
      for (int to = 0; to < size; ++to) {
        from->connect(to, transports_[static_cast<size_t>(to)]->address());
      }
    }
  }
  Transport& operator[](int rank) { return *transports_[static_cast<size_t>(rank)]; }
  void close(int rank) { transports_[static_cast<size_t>(rank)].reset(); }

  /// Progresses all ranks until the request ended; false when it does not.
  bool finish(const Request& request) {
    const Deadline deadline = Deadline::in(20);
    while (request.status == BANYAN_IN_PROGRESS && !deadline.passed()) {
      for (auto& transport : transports_) {
        int events = 0;
        EXPECT_EQ(transport == nullptr ? BANYAN_OK : transport->progress(&events), BANYAN_OK);
      }
    }
    return request.status != BANYAN_IN_PROGRESS;
  }

 private:
  std::vector<std::unique_ptr<Transport>> transports_;
};

TEST(ShmTransport, UnreadableSendBufferEndsBothSidesWithInvalidArgument) {
  Ranks ranks(2);
  const size_t size = 1 << 20;
  void* hole = ::mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(hole, MAP_FAILED);
  std::vector<char> target(size);
  Request send{};
  Request receive{};
  ASSERT_EQ(ranks[0].post_send(1, hole, size, 1, &send), BANYAN_OK);
  ASSERT_EQ(ranks[1].post_recv(0, target.data(), size, 1, &receive), BANYAN_OK);
  ASSERT_TRUE(ranks.finish(receive) && ranks.finish(send));
  EXPECT_EQ(receive.status, BANYAN_ERR_INVALID_ARGUMENT);
  EXPECT_THAT(ranks[1].last_error(), testing::HasSubstr("peer 0"));
  EXPECT_EQ(send.status, BANYAN_ERR_INVALID_ARGUMENT);
  EXPECT_THAT(ranks[0].last_error(), testing::HasSubstr("peer 1"));
  ::munmap(hole, size);
}

TEST(ShmTransport, UnwritableReceiveBufferIsTheReceiversFault) {
  Ranks ranks(2);
  const size_t size = 1 << 20;
  void* hole = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(hole, MAP_FAILED);
  const std::vector<char> source(size);
  Request send{};
  Request receive{};
  ASSERT_EQ(ranks[0].post_send(1, source.data(), size, 1, &send), BANYAN_OK);
  ASSERT_EQ(ranks[1].post_recv(0, hole, size, 1, &receive), BANYAN_OK);
  ASSERT_TRUE(ranks.finish(receive) && ranks.finish(send));
  EXPECT_EQ(receive.status, BANYAN_ERR_INVALID_ARGUMENT);
  EXPECT_THAT(ranks[1].last_error(), testing::HasSubstr("receive buffer"));
  EXPECT_EQ(send.status, BANYAN_OK);
  ::munmap(hole, size);
}

TEST(ShmTransport, PeerThatClosesInTheMiddleOfALargeMessageFailsIt) {
  Ranks ranks(2);
  const size_t size = size_t{8} << 20;  // more than one progress reads
  const std::vector<char> source(size, 'x');
  std::vector<char> target(size);
  Request send{};
  Request receive{};
  ASSERT_EQ(ranks[0].post_send(1, source.data(), size, 1, &send), BANYAN_OK);
  ASSERT_EQ(ranks[1].post_recv(0, target.data(), size, 1, &receive), BANYAN_OK);
  int events = 0;
  ASSERT_EQ(ranks[1].progress(&events), BANYAN_OK);
  ASSERT_EQ(receive.status, BANYAN_IN_PROGRESS);
  ranks.close(0);
  EXPECT_EQ(send.status, BANYAN_IN_PROGRESS);  // close leaves requests alone
  ASSERT_TRUE(ranks.finish(receive));
  EXPECT_EQ(receive.status, BANYAN_ERR_PEER_FAILED);
  EXPECT_THAT(ranks[1].last_error(), testing::HasSubstr("peer 0"));
}

TEST(ShmTransport, ClaimedSendIsNotCancelled) {
  Ranks ranks(2);
  const size_t size = size_t{8} << 20;
  const std::vector<char> source(size, 'x');
  std::vector<char> target(size);
  Request send{};
  Request receive{};
  int events = 0;
  ASSERT_EQ(ranks[0].post_send(1, source.data(), size, 1, &send), BANYAN_OK);
  ASSERT_EQ(ranks[1].post_recv(0, target.data(), size, 1, &receive), BANYAN_OK);
  ASSERT_EQ(ranks[1].progress(&events), BANYAN_OK);
  ASSERT_EQ(ranks[0].cancel(&send), BANYAN_OK);
  ASSERT_EQ(ranks[1].cancel(&receive), BANYAN_OK);
  ASSERT_TRUE(ranks.finish(receive) && ranks.finish(send));
  EXPECT_EQ(send.status, BANYAN_OK);
  EXPECT_EQ(receive.status, BANYAN_OK);
  EXPECT_EQ(target, source);
}

TEST(ShmTransport, MoreLargeSendsThanDescriptorsAllArrive) {
  Ranks ranks(2);
  constexpr size_t kCount = 5000;
  const std::vector<char> source(40000, 'x');
  std::vector<char> target(40000);
  std::vector<Request> sends(kCount);
  std::vector<Request> receives(kCount);
  for (size_t i = 0; i < kCount; ++i) {
    ASSERT_EQ(ranks[0].post_send(1, source.data(), source.size(), i, &sends[i]), BANYAN_OK);
  }
  for (size_t i = 0; i < kCount; ++i) {
    ASSERT_EQ(ranks[1].post_recv(0, target.data(), target.size(), i, &receives[i]), BANYAN_OK);
    ASSERT_TRUE(ranks.finish(receives[i])) << i;
    ASSERT_EQ(receives[i].status, BANYAN_OK) << i;
  }
  ASSERT_TRUE(ranks.finish(sends.back()));
  EXPECT_TRUE(std::all_of(sends.begin(), sends.end(), [](const Request& r) { return r.status == BANYAN_OK; }));
}

TEST(ShmTransport, ManyRanksOfOneHostExchange) {
  constexpr int kRanks = 64;
  Ranks ranks(kRanks);
  std::vector<Request> requests;
  requests.reserve(2 * kRanks * kRanks);
  std::vector<int> received(kRanks * kRanks, -1);
  std::vector<int> values(kRanks);
  for (int rank = 0; rank < kRanks; ++rank) {
    values[static_cast<size_t>(rank)] = rank;
    for (int peer = 0; peer < kRanks; ++peer) {
      int* target = &received[static_cast<size_t>(rank * kRanks + peer)];
      ASSERT_EQ(ranks[rank].post_recv(peer, target, sizeof(int), 3, &requests.emplace_back()), BANYAN_OK);
      ASSERT_EQ(
          ranks[rank].post_send(peer, &values[static_cast<size_t>(rank)], sizeof(int), 3, &requests.emplace_back()),
          BANYAN_OK);
    }
  }
  for (const Request& request : requests) {
    ASSERT_TRUE(ranks.finish(request));
    ASSERT_EQ(request.status, BANYAN_OK);
  }
  for (int rank = 0; rank < kRanks; ++rank) {
    for (int peer = 0; peer < kRanks; ++peer) {
      ASSERT_EQ(received[static_cast<size_t>(rank * kRanks + peer)], peer);
    }
  }
}

TEST(ShmTransport, ForkedChildThatClosesDoesNotCloseItsParent) {
  Ranks ranks(2);
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ranks.close(0);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  int value = 5;
  int received = 0;
  Request send{};
  Request receive{};
  ASSERT_EQ(ranks[1].post_recv(0, &received, sizeof(int), 1, &receive), BANYAN_OK);
  const Deadline deadline = Deadline::in(0.05);  // ten looks at the peers
  while (!deadline.passed()) {
    int events = 0;
    ASSERT_EQ(ranks[1].progress(&events), BANYAN_OK);
  }
  ASSERT_EQ(ranks[0].post_send(1, &value, sizeof(int), 1, &send), BANYAN_OK);
  ASSERT_TRUE(ranks.finish(receive));
  EXPECT_EQ(receive.status, BANYAN_OK);
  EXPECT_EQ(received, 5);
}

TEST(ShmTransport, SecondConnectOfAPeerIsRefused) {
  Ranks ranks(2);
  EXPECT_ANY_THROW(ranks[0].connect(1, ranks[1].address()));
}

}  // namespace
}  // namespace banyan::transport
