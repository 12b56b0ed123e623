// SPDX-License-Identifier: Apache-2.0
// Ranks that meet as a launcher told them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bootstrap/socket.hpp"
#include "threads.hpp"
#include "variables.hpp"

namespace banyan::bootstrap {
namespace {

constexpr double kGenerous = 60;

using ::testing::HasSubstr;
using testing::lookup_in;
using testing::Outcome;
using testing::run_ranks;
using testing::status_of;
using testing::text_of;
using testing::Variables;
using testing::with;

/// A port that was free a moment ago.
uint16_t free_port() { return local_address(listen_on(SocketAddress::from_ip("127.0.0.1", 0).value()).get()).port(); }

Variables torchrun_rank(int rank, int size, uint16_t master_port) {
  return {{"RANK", std::to_string(rank)},
          {"WORLD_SIZE", std::to_string(size)},
          {"LOCAL_RANK", std::to_string(rank)},
          {"LOCAL_WORLD_SIZE", std::to_string(size)},
          {"MASTER_ADDR", "localhost"},
          {"MASTER_PORT", std::to_string(master_port)},
          {"BANYAN_JOB_SECRET", std::string(64, 'd')}};
}

std::unique_ptr<Bootstrap> connect(const Variables& variables, double seconds = kGenerous) {
  const auto lookup = lookup_in(variables);
  return connect_launch(launch_from_environment(lookup), lookup, "", Deadline::in(seconds));
}

TEST(ConnectLaunch, TorchrunRanksMeetBesideABusyPort) {
  Fd busy;  // the first candidate belongs to someone else, who never answers
  uint16_t master = 0;
  while (!busy) {
    master = free_port();
    int error = 0;
    busy = try_listen_on(SocketAddress::from_ip("127.0.0.1", static_cast<uint16_t>(master + 1)).value(), error);
  }
  const auto outcomes = run_ranks(3, [&](int rank) {
    const auto bootstrap = connect(torchrun_rank(rank, 3, master));
    bootstrap->barrier(Deadline::in(kGenerous));
    EXPECT_EQ(bootstrap->rank(), rank);
  });
  for (const Outcome& outcome : outcomes) {
    EXPECT_EQ(text_of(outcome), "no error");
  }
}

TEST(ConnectLaunch, SecondMeetingOfAJobUsesTheSamePortAgain) {
  const uint16_t master = free_port();
  const auto outcomes = run_ranks(2, [&](int rank) {
    for (int i = 0; i < 5; ++i) {
      connect(torchrun_rank(rank, 2, master))->barrier(Deadline::in(kGenerous));
    }
  });
  for (const Outcome& outcome : outcomes) {
    EXPECT_EQ(text_of(outcome), "no error");
  }
}

TEST(ConnectLaunch, RanksWithoutASecretAreToldWhatToSet) {
  const auto outcomes =
      run_ranks(1, [&](int) { static_cast<void>(connect(with(torchrun_rank(1, 2, 29500), "BANYAN_JOB_SECRET", ""))); });
  EXPECT_EQ(status_of(outcomes[0]), BANYAN_ERR_AUTH);
}

TEST(ConnectLaunch, MasterThatIsNotThisHostIsRefusedOnRankZero) {
  const auto outcomes = run_ranks(
      1, [&](int) { static_cast<void>(connect(with(torchrun_rank(0, 2, 29500), "MASTER_ADDR", "203.0.113.77"))); });
  EXPECT_EQ(status_of(outcomes[0]), BANYAN_ERR_INVALID_ARGUMENT);
  EXPECT_THAT(text_of(outcomes[0]), HasSubstr("\"203.0.113.77\" is no address of this host"));
}

TEST(ConnectLaunch, OneRankNeedsNoSecretAndNoNetwork) {
  const auto outcomes = run_ranks(1, [&](int) {
    connect({{"RANK", "0"}, {"WORLD_SIZE", "1"}})->barrier(Deadline::in(kGenerous));
  });
  EXPECT_EQ(text_of(outcomes[0]), "no error");
}

}  // namespace
}  // namespace banyan::bootstrap
