// SPDX-License-Identifier: Apache-2.0
// Messages between processes of one host: matching, sizes, cancel, close.
#include <array>
#include <cstdlib>
#include <memory>

#include "ranks.hpp"

namespace banyan::ucx_test {
namespace {

constexpr size_t kSmall = 100;          // eager
constexpr size_t kLarge = 4 * 1048576;  // rendezvous

/// Every rank sends to every rank, itself included, a message of each size; all are checked.
void exchange_all(Rank& self) {
  constexpr std::array<size_t, 9> kSizes = {0, 1, 8, 2048, 8192, 65536, 262144, 1048576, 3000001};
  const auto peers = static_cast<size_t>(self.size());
  std::vector<banyan_transport_request> requests(2 * peers * kSizes.size());
  std::vector<std::vector<std::byte>> sent(peers * kSizes.size());
  std::vector<std::vector<std::byte>> received(peers * kSizes.size());
  for (int peer = 0; peer < self.size(); ++peer) {
    for (size_t i = 0; i < kSizes.size(); ++i) {
      const size_t slot = static_cast<size_t>(peer) * kSizes.size() + i;
      received[slot].resize(kSizes[i]);
      sent[slot] = pattern(self.rank(), peer, i, kSizes[i]);
      EXPECT_EQ(self.receive(peer, received[slot].data(), kSizes[i], i, requests[2 * slot]), BANYAN_OK);
      EXPECT_EQ(self.send(peer, sent[slot].data(), kSizes[i], i, requests[2 * slot + 1]), BANYAN_OK);
    }
  }
  for (auto& request : requests) {
    EXPECT_EQ(self.wait(request), BANYAN_OK) << self.last_error();
  }
  for (int peer = 0; peer < self.size(); ++peer) {
    for (size_t i = 0; i < kSizes.size(); ++i) {
      const size_t slot = static_cast<size_t>(peer) * kSizes.size() + i;
      EXPECT_EQ(requests[2 * slot].received, kSizes[i]);
      EXPECT_EQ(received[slot], pattern(peer, self.rank(), i, kSizes[i])) << peer << " -> " << self.rank();
    }
  }
}

TEST(UcxMessage, FourRanksAllSizesThenEachReceivesItsBytes) { run_ranks(4, exchange_all); }

TEST(UcxMessage, TcpOnlyThenEachReceivesItsBytes) {
  setenv("UCX_TLS", "tcp", 1);
  run_ranks(3, exchange_all);
  unsetenv("UCX_TLS");
}

TEST(UcxMessage, OneRankThenItReceivesItsOwnBytes) { run_ranks(1, exchange_all); }

TEST(UcxMessage, SameTagThenPostingOrder) {
  run_ranks(2, [](Rank& self) {
    constexpr int kMessages = 200;
    std::array<int, kMessages> values = {};
    std::array<banyan_transport_request, kMessages> requests = {};
    for (int i = 0; i < kMessages; ++i) {
      const auto slot = static_cast<size_t>(i);
      if (self.rank() == 0) {
        values[slot] = i;
        EXPECT_EQ(self.send(1, &values[slot], sizeof(int), 7, requests[slot]), BANYAN_OK);
      } else {
        EXPECT_EQ(self.receive(0, &values[slot], sizeof(int), 7, requests[slot]), BANYAN_OK);
      }
    }
    for (int i = 0; i < kMessages; ++i) {
      EXPECT_EQ(self.wait(requests[static_cast<size_t>(i)]), BANYAN_OK);
      EXPECT_EQ(values[static_cast<size_t>(i)], i);
    }
  });
}

/// `arrived_first`: the message is at the receiver before the receive is posted.
void send_too_much(Rank& self, size_t sent, size_t expected, bool arrived_first) {
  banyan_transport_request request = {};
  banyan_transport_request marker = {};
  if (self.rank() == 0) {
    const auto bytes = pattern(0, 1, 0, sent);
    if (!arrived_first) {
      self.barrier();
    }
    EXPECT_EQ(self.send(1, bytes.data(), sent, 3, request), BANYAN_OK);
    EXPECT_EQ(self.send(1, nullptr, 0, 4, marker), BANYAN_OK);
    EXPECT_EQ(self.wait(marker), BANYAN_OK);
    EXPECT_EQ(self.wait(request), BANYAN_OK);
  } else {
    std::vector<std::byte> buffer(expected);
    if (arrived_first) {  // UCX keeps the order of messages of one peer
      EXPECT_EQ(self.receive(0, nullptr, 0, 4, marker), BANYAN_OK);
      EXPECT_EQ(self.wait(marker), BANYAN_OK);
      EXPECT_EQ(self.receive(0, buffer.data(), expected, 3, request), BANYAN_OK);
    } else {
      EXPECT_EQ(self.receive(0, buffer.data(), expected, 3, request), BANYAN_OK);
      self.barrier();
      EXPECT_EQ(self.receive(0, nullptr, 0, 4, marker), BANYAN_OK);
    }
    EXPECT_EQ(self.wait(request), BANYAN_ERR_MISMATCH);
    EXPECT_NE(self.last_error().find(std::to_string(sent)), std::string::npos) << self.last_error();
    EXPECT_NE(self.last_error().find(std::to_string(expected)), std::string::npos) << self.last_error();
    EXPECT_EQ(self.wait(marker), BANYAN_OK);
  }
  self.barrier();
}

TEST(UcxMessage, LongerThanTheReceiveThenMismatchNamesBothSizes) {
  for (const size_t sent : {kSmall, size_t{40000}, kLarge}) {
    for (const bool arrived_first : {false, true}) {
      SCOPED_TRACE(sent);
      run_ranks(2, [&](Rank& self) { send_too_much(self, sent, sent - 33, arrived_first); });
    }
  }
}

TEST(UcxMessage, ShorterThanTheReceiveThenReceivedIsItsSize) {
  for (const size_t sent : {size_t{0}, kSmall, kLarge}) {
    run_ranks(2, [&](Rank& self) {
      banyan_transport_request request = {};
      std::vector<std::byte> buffer(sent + 1000);
      const auto bytes = pattern(0, 1, 0, sent);
      EXPECT_EQ(self.rank() == 0 ? self.send(1, bytes.data(), sent, 3, request)
                                 : self.receive(0, buffer.data(), buffer.size(), 3, request),
                BANYAN_OK);
      EXPECT_EQ(self.wait(request), BANYAN_OK);
      if (self.rank() == 1) {
        EXPECT_EQ(request.received, sent);
        buffer.resize(sent);
        EXPECT_EQ(buffer, bytes);
      }
      self.barrier();
    });
  }
}

TEST(UcxMessage, TagAboveLimitThenInvalidArgument) {
  run_ranks(1, [](Rank& self) {
    constexpr uint64_t kLimit = UINT64_C(1) << 40;
    banyan_transport_request request = {};
    EXPECT_EQ(self.send(0, nullptr, 0, kLimit, request), BANYAN_ERR_INVALID_ARGUMENT);
    EXPECT_EQ(request.status, BANYAN_ERR_INVALID_ARGUMENT);
    EXPECT_EQ(self.receive(0, nullptr, 0, kLimit, request), BANYAN_ERR_INVALID_ARGUMENT);
    banyan_transport_request other = {};
    EXPECT_EQ(self.receive(0, nullptr, 0, kLimit - 1, request), BANYAN_OK);
    EXPECT_EQ(self.send(0, nullptr, 0, kLimit - 1, other), BANYAN_OK);
    EXPECT_EQ(self.wait(request), BANYAN_OK);
    EXPECT_EQ(self.wait(other), BANYAN_OK);
  });
}

TEST(UcxMessage, CancelledReceiveThenAbortedAndTheNextReceiveGetsTheMessage) {
  run_ranks(2, [](Rank& self) {
    banyan_transport_request request = {};
    int value = self.rank() == 0 ? 42 : 0;
    if (self.rank() == 1) {
      int unused = 0;
      EXPECT_EQ(self.receive(0, &unused, sizeof(unused), 5, request), BANYAN_OK);
      EXPECT_EQ(plugin().cancel(self.transport(), &request), BANYAN_OK);
      EXPECT_EQ(self.wait(request), BANYAN_ERR_ABORTED);
    }
    self.barrier();
    EXPECT_EQ(self.rank() == 0 ? self.send(1, &value, sizeof(value), 5, request)
                               : self.receive(0, &value, sizeof(value), 5, request),
              BANYAN_OK);
    EXPECT_EQ(self.wait(request), BANYAN_OK);
    EXPECT_EQ(value, 42);
    self.barrier();
  });
}

TEST(UcxMessage, CloseThenRequestsInProgressAreLeftAlone) {
  run_ranks(2, [](Rank& self) {
    auto request = std::make_unique<banyan_transport_request>();
    auto buffer = std::make_unique<std::byte>();
    EXPECT_EQ(self.receive(1 - self.rank(), buffer.get(), 1, 5, *request), BANYAN_OK);
    self.barrier();
    request.reset();  // the address sanitizer sees a write to either
    buffer.reset();
    self.close();
  });
}

}  // namespace
}  // namespace banyan::ucx_test
