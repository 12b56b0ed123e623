// SPDX-License-Identifier: Apache-2.0
// What exchanges over real transports seldom show; tests/unit/coll has the rest.
#include "executor/host_executor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>

#include "base/error.hpp"
#include "transport/registry.hpp"

namespace banyan::executor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// What every transport of the test answers to flush.
banyan_status flush_answer = BANYAN_OK;

/// Two ranks in one thread, over the in-process transport with a flush of our own.
class Pair {
 public:
  Pair() {
    ops_.flush = [](void*) { return flush_answer; };
    const auto hub = transport::make_inproc_hub(2);
    for (int rank = 0; rank < 2; ++rank) {
      banyan_transport_config config{};
      config.struct_size = sizeof config;
      config.rank = rank;
      config.size = 2;
      config.timeout_s = 10;
      config.host_context = hub.get();
      transports_[rank] = std::make_unique<transport::Transport>(ops_, config);
    }
    hub_ = hub;
    for (const int rank : {0, 1}) {
      const int peer = 1 - rank;
      transports_[rank]->connect(peer, transports_[peer]->address());
      fabrics_[rank].rank = rank;
      fabrics_[rank].peers.resize(2);
      fabrics_[rank].peers[static_cast<size_t>(peer)].transport = transports_[rank].get();
      fabrics_[rank].transports = {transports_[rank].get()};
    }
  }

  transport::Fabric& fabric(int rank) { return fabrics_[rank]; }

 private:
  banyan_transport_ops ops_ = transport::inproc_table();
  std::shared_ptr<transport::InprocHub> hub_;
  std::unique_ptr<transport::Transport> transports_[2];
  transport::Fabric fabrics_[2];
};

schedule::RankSchedule swap_of(int rank) {
  const int peer = 1 - rank;
  return {.rank = rank,
          .sends = {{.from = rank, .to = peer, .blocks = {{rank, peer}}}},
          .receives = {{.from = peer, .to = rank, .blocks = {{peer, rank}}}}};
}

CompileOptions options_of(size_t block_bytes) {
  CompileOptions options;
  options.num_ranks = 2;
  options.rule.block_bytes = block_bytes;
  return options;
}

/// Two ranks that have exchanged all, up to the flush.
class Flush : public ::testing::Test {
 protected:
  void SetUp() override {
    flush_answer = BANYAN_IN_PROGRESS;
    for (const int rank : {0, 1}) {
      Exchange exchange;
      exchange.sendbuf = buffers_[rank].data();
      exchange.recvbuf = buffers_[rank].data() + 2;
      exchange.block_bytes = 1;
      ASSERT_EQ(executors_[rank].start(programs_[rank], exchange, 1), BANYAN_OK);
    }
    while (!executors_[0].leaving()) {
      for (const int rank : {0, 1}) {
        ASSERT_EQ(progress(rank), BANYAN_IN_PROGRESS) << executors_[rank].error();
      }
    }
  }
  void TearDown() override { flush_answer = BANYAN_OK; }

  banyan_status progress(int rank) {
    int events = 0;
    return executors_[rank].progress(&events);
  }

  Pair pair_;
  HostExecutor executors_[2] = {HostExecutor(pair_.fabric(0)), HostExecutor(pair_.fabric(1))};
  Program programs_[2] = {Program(swap_of(0), options_of(1)), Program(swap_of(1), options_of(1))};
  std::array<std::byte, 4> buffers_[2] = {};
};

TEST_F(Flush, PendingThenThePeersSentToAreNamed) {
  EXPECT_EQ(progress(0), BANYAN_IN_PROGRESS);
  EXPECT_THAT(executors_[0].waiting_for(), ElementsAre(1));
  flush_answer = BANYAN_OK;
  EXPECT_EQ(progress(0), BANYAN_OK);
  EXPECT_THAT(executors_[0].waiting_for(), IsEmpty());
  EXPECT_FALSE(executors_[0].leaving());
}

TEST_F(Flush, FailedThenTheExchangeFails) {
  flush_answer = BANYAN_ERR_IO;
  EXPECT_EQ(progress(0), BANYAN_ERR_IO);
  EXPECT_THAT(executors_[0].error(), HasSubstr("inproc: "));
  EXPECT_TRUE(executors_[0].cancel());
}

TEST(Program, MoreMessagesOfAPairThanCanBeToldApartThenLimit) {
  schedule::RankSchedule part{.rank = 0, .sends = {}, .receives = {}};
  for (size_t i = 0; i < schedule::kMaxMessagesPerPair; ++i) {
    part.sends.push_back({.from = 0, .to = 1, .self_describing = true, .blocks = {}});
  }
  EXPECT_NO_THROW(Program(part, options_of(1)));
  part.sends.push_back(part.sends.front());
  try {
    const Program program(part, options_of(1));
    FAIL() << "compiled";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), BANYAN_ERR_LIMIT);
    EXPECT_THAT(error.what(), HasSubstr("more than 128 messages from rank 0 to rank 1"));
  }
}

}  // namespace
}  // namespace banyan::executor
