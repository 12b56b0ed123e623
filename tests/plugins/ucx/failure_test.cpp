// SPDX-License-Identifier: Apache-2.0
// Peers that die, and peers that leave in order.
#include <csignal>
#include <cstdlib>

#include "ranks.hpp"

namespace banyan::ucx_test {
namespace {

/// UCX_TLS of the ranks; empty for the plugin's default.
class UcxPeerFailure : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (*GetParam() != '\0') {
      setenv("UCX_TLS", GetParam(), 1);
    }
  }
  void TearDown() override { unsetenv("UCX_TLS"); }
};

void exchange_one(Rank& self) {
  for (int peer = 0; peer < self.size(); ++peer) {
    banyan_transport_request send = {};
    banyan_transport_request receive = {};
    int value = 0;
    EXPECT_EQ(self.receive(peer, &value, sizeof(value), 1, receive), BANYAN_OK);
    EXPECT_EQ(self.send(peer, &peer, sizeof(peer), 1, send), BANYAN_OK);
    EXPECT_EQ(self.wait(send), BANYAN_OK);
    EXPECT_EQ(self.wait(receive), BANYAN_OK);
  }
  self.barrier();
}

constexpr size_t kLarge = 8 * 1048576;

TEST_P(UcxPeerFailure, KilledThenPendingAndLaterRequestsNameIt) {
  run_ranks(
      3,
      [](Rank& self) {
        exchange_one(self);
        if (self.rank() == 2) {
          raise(SIGKILL);
        }
        const std::vector<std::byte> large(kLarge);
        std::vector<std::byte> buffer(kLarge);
        banyan_transport_request receive = {};
        banyan_transport_request send = {};
        static_cast<void>(
            self.receive(2, buffer.data(), buffer.size(), 9, receive));  // the failure may be known already
        static_cast<void>(self.send(2, large.data(), large.size(), 9, send));
        EXPECT_EQ(self.wait(receive), BANYAN_ERR_PEER_FAILED);
        EXPECT_EQ(self.wait(send), BANYAN_ERR_PEER_FAILED);
        EXPECT_NE(self.last_error().find("peer 2"), std::string::npos) << self.last_error();
        EXPECT_EQ(self.send(2, large.data(), 1, 9, send), BANYAN_ERR_PEER_FAILED);
        EXPECT_EQ(self.receive(2, buffer.data(), 1, 9, receive), BANYAN_ERR_PEER_FAILED);
        // The survivors still reach each other.
        banyan_transport_request other_send = {};
        banyan_transport_request other_receive = {};
        const int other = 1 - self.rank();
        EXPECT_EQ(self.receive(other, buffer.data(), buffer.size(), 10, other_receive), BANYAN_OK);
        EXPECT_EQ(self.send(other, large.data(), large.size(), 10, other_send), BANYAN_OK);
        EXPECT_EQ(self.wait(other_receive), BANYAN_OK);
        EXPECT_EQ(self.wait(other_send), BANYAN_OK);
        self.barrier(2);
      },
      1);
}

TEST_P(UcxPeerFailure, KilledBeforeAnyMessageThenReceiveNamesIt) {
  run_ranks(
      2,
      [](Rank& self) {
        self.barrier();
        if (self.rank() == 1) {
          raise(SIGKILL);
        }
        banyan_transport_request receive = {};
        int value = 0;
        static_cast<void>(self.receive(1, &value, sizeof(value), 9, receive));
        EXPECT_EQ(self.wait(receive), BANYAN_ERR_PEER_FAILED);
        EXPECT_NE(self.last_error().find("peer 1"), std::string::npos) << self.last_error();
      },
      1);
}

/// Both ranks send each other `count` messages of `size` bytes; rank 1 goes by `end` when the first has arrived.
void go_in_the_middle(size_t count, size_t size, const std::function<void(Rank&)>& end, int killed) {
  const auto body = [&](Rank& self) {
    exchange_one(self);
    const int peer = 1 - self.rank();
    const std::vector<std::byte> sent = pattern(self.rank(), peer, 9, size);
    const std::vector<std::byte> expected = pattern(peer, self.rank(), 9, size);
    std::vector<std::vector<std::byte>> buffers(count + 1, std::vector<std::byte>(size));
    std::vector<banyan_transport_request> receives(count + 1);  // the last is of a message that was never sent
    std::vector<banyan_transport_request> sends(count);
    for (size_t i = 0; i <= count; ++i) {
      static_cast<void>(self.receive(peer, buffers[i].data(), size, i < count ? 9 : 10, receives[i]));
    }
    for (auto& request : sends) {
      static_cast<void>(self.send(peer, sent.data(), size, 9, request));
    }
    if (self.rank() == 1) {
      EXPECT_EQ(self.wait(receives[0]), BANYAN_OK);
      end(self);
      return;
    }
    for (size_t i = 0; i <= count; ++i) {
      const banyan_status status = self.wait(receives[i]);
      EXPECT_TRUE(status == BANYAN_ERR_PEER_FAILED || (status == BANYAN_OK && buffers[i] == expected)) << status;
    }
    for (auto& request : sends) {
      const banyan_status status = self.wait(request);
      EXPECT_TRUE(status == BANYAN_ERR_PEER_FAILED || status == BANYAN_OK) << status;
    }
    EXPECT_EQ(receives[count].status, BANYAN_ERR_PEER_FAILED);
  };
  run_ranks(2, body, killed);
}

constexpr int kTurns = 10;  // each dies at another moment

TEST_P(UcxPeerFailure, KilledBetweenEagerMessagesThenAllRequestsEnd) {
  for (int turn = 0; turn < kTurns; ++turn) {
    go_in_the_middle(
        32, 200000, [](Rank&) { raise(SIGKILL); }, 1);
  }
}

TEST_P(UcxPeerFailure, KilledBetweenRendezvousMessagesThenAllRequestsEnd) {
  for (int turn = 0; turn < kTurns; ++turn) {
    go_in_the_middle(
        4, kLarge, [](Rank&) { raise(SIGKILL); }, 1);
  }
}

TEST_P(UcxPeerFailure, ClosedBetweenEagerMessagesThenAllRequestsEnd) {
  for (int turn = 0; turn < kTurns; ++turn) {
    go_in_the_middle(
        32, 200000, [](Rank& self) { self.close(); }, 0);
  }
}

TEST_P(UcxPeerFailure, ClosedBetweenRendezvousMessagesThenAllRequestsEnd) {
  for (int turn = 0; turn < kTurns; ++turn) {
    go_in_the_middle(
        4, kLarge, [](Rank& self) { self.close(); }, 0);
  }
}

TEST_P(UcxPeerFailure, LeftAfterSendingThenItsMessageIsStillReceived) {
  run_ranks(2, [](Rank& self) {
    exchange_one(self);
    int value = self.rank() == 1 ? 77 : 0;
    banyan_transport_request request = {};
    if (self.rank() == 1) {
      EXPECT_EQ(self.send(0, &value, sizeof(value), 9, request), BANYAN_OK);
      EXPECT_EQ(self.wait(request), BANYAN_OK);
      self.close();
      return;
    }
    banyan_transport_request never = {};
    static_cast<void>(self.receive(1, nullptr, 0, 8, never));
    EXPECT_EQ(self.wait(never), BANYAN_ERR_PEER_FAILED);
    EXPECT_EQ(self.receive(1, &value, sizeof(value), 9, request), BANYAN_OK) << self.last_error();
    EXPECT_EQ(self.wait(request), BANYAN_OK);
    EXPECT_EQ(value, 77);
  });
}

INSTANTIATE_TEST_SUITE_P(Transports, UcxPeerFailure, testing::Values("", "tcp"), [](const auto& parameter) {
  return *parameter.param == '\0' ? std::string("any") : std::string(parameter.param);
});

}  // namespace
}  // namespace banyan::ucx_test
