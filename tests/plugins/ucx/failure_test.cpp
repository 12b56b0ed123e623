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
  run_ranks(3, [](Rank& self) {
    exchange_one(self);
    if (self.rank() == 2) {
      raise(SIGKILL);
    }
    const std::vector<std::byte> large(kLarge);
    std::vector<std::byte> buffer(kLarge);
    banyan_transport_request receive = {};
    banyan_transport_request send = {};
    static_cast<void>(self.receive(2, buffer.data(), buffer.size(), 9, receive));  // the failure may be known already
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
  }, 1);
}

TEST_P(UcxPeerFailure, KilledBeforeAnyMessageThenReceiveNamesIt) {
  run_ranks(2, [](Rank& self) {
    self.barrier();
    if (self.rank() == 1) {
      raise(SIGKILL);
    }
    banyan_transport_request receive = {};
    int value = 0;
    static_cast<void>(self.receive(1, &value, sizeof(value), 9, receive));
    EXPECT_EQ(self.wait(receive), BANYAN_ERR_PEER_FAILED);
    EXPECT_NE(self.last_error().find("peer 1"), std::string::npos) << self.last_error();
  }, 1);
}

TEST_P(UcxPeerFailure, KilledInTheMiddleOfMessagesThenAllReceivesEnd) {
  run_ranks(2, [](Rank& self) {
    exchange_one(self);
    constexpr size_t kMessages = 64;
    const std::vector<std::byte> sent(200000);
    std::vector<std::vector<std::byte>> buffers(kMessages, std::vector<std::byte>(sent.size()));
    std::vector<banyan_transport_request> requests(kMessages);
    if (self.rank() == 1) {
      for (auto& request : requests) {
        EXPECT_EQ(self.send(0, sent.data(), sent.size(), 9, request), BANYAN_OK);
      }
      EXPECT_EQ(self.wait(requests[3]), BANYAN_OK);
      raise(SIGKILL);
    }
    for (size_t i = 0; i < kMessages; ++i) {
      const banyan_status posted = self.receive(1, buffers[i].data(), buffers[i].size(), 9, requests[i]);
      EXPECT_TRUE(posted == BANYAN_OK || posted == BANYAN_ERR_PEER_FAILED) << posted;
    }
    size_t failed = 0;
    for (auto& request : requests) {
      failed += self.wait(request) == BANYAN_ERR_PEER_FAILED ? 1U : 0U;
    }
    EXPECT_GT(failed, 0U);
  }, 1);
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
