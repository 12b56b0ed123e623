// SPDX-License-Identifier: Apache-2.0
#include "moe/fastmoe/fastmoe.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <limits>

#include "base/error.hpp"
#include "rank_threads.hpp"

namespace banyan::moe {
namespace {

using testing::consecutive;
using ::testing::HasSubstr;
using testing::HostList;
using testing::Outcome;

/// A row says where it is from, for whom, and its number among those; more words only make it longer.
struct Row {
  int source = -1;
  int rank = -1;
  int expert = -1;
  int number = -1;

  bool operator==(const Row&) const = default;
};

/// What all ranks send: [source][rank][expert] rows.
struct Routing {
  int size = 1;
  int experts = 1;
  std::vector<int64_t> rows;

  [[nodiscard]] int64_t at(int source, int rank, int expert) const {
    return rows[static_cast<size_t>((source * size + rank) * experts + expert)];
  }
  [[nodiscard]] std::vector<int64_t> local(int self) const {
    const auto begin = rows.begin() + self * size * experts;
    return {begin, begin + size * experts};
  }
  [[nodiscard]] std::vector<int64_t> global(int self) const {
    std::vector<int64_t> counts;
    for (int source = 0; source < size; ++source) {
      for (int expert = 0; expert < experts; ++expert) {
        counts.push_back(at(source, self, expert));
      }
    }
    return counts;
  }
  /// In order of ranks and their experts.
  [[nodiscard]] std::vector<Row> sent(int self) const {
    std::vector<Row> all;
    for (int rank = 0; rank < size; ++rank) {
      for (int expert = 0; expert < experts; ++expert) {
        append(all, self, rank, expert);
      }
    }
    return all;
  }
  /// In order of own experts and sources.
  [[nodiscard]] std::vector<Row> received(int self) const {
    std::vector<Row> all;
    for (int expert = 0; expert < experts; ++expert) {
      for (int source = 0; source < size; ++source) {
        append(all, source, self, expert);
      }
    }
    return all;
  }

 private:
  void append(std::vector<Row>& all, int source, int rank, int expert) const {
    for (int64_t number = 0; number < at(source, rank, expert); ++number) {
      all.push_back({source, rank, expert, static_cast<int>(number)});
    }
  }
};

/// Counts, there and back again, on one rank; says what is wrong.
void there_and_back(coll::Engine& engine, Fastmoe& fastmoe, const Routing& routing, bool verify) {
  const int self = engine.communicator().rank();
  const auto local = routing.local(self);
  std::vector<int64_t> global(local.size(), -1);
  fastmoe.expert_exchange(local.data(), global.data(), routing.experts);
  EXPECT_EQ(global, routing.global(self));
  const auto sent = routing.sent(self);
  const auto expected = routing.received(self);
  std::vector<Row> received(expected.size() + 1);
  std::vector<Row> back(sent.size() + 1);
  FastmoeCall call{.sendbuf = sent.data(),
                   .local = local.data(),
                   .recvbuf = received.data(),
                   .global = global.data(),
                   .num_local_experts = routing.experts,
                   .row_bytes = sizeof(Row),
                   .verify_counts = verify,
                   .options = {}};
  fastmoe.global_scatter(call);
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), received.begin())) << "rank " << self;
  EXPECT_EQ(received.back(), Row());
  call.sendbuf = received.data();
  call.recvbuf = back.data();
  fastmoe.global_gather(call);
  EXPECT_TRUE(std::equal(sent.begin(), sent.end(), back.begin())) << "rank " << self;
  EXPECT_EQ(back.back(), Row());
}

void expect_right(const HostList& hosts, const std::vector<Routing>& routings, bool verify) {
  const auto outcomes = testing::run_ranks(hosts, {}, [&](coll::Engine& engine) {
    Fastmoe fastmoe(engine);
    for (const Routing& routing : routings) {
      there_and_back(engine, fastmoe, routing, verify);
    }
  });
  for (const Outcome& outcome : outcomes) {
    EXPECT_EQ(outcome.status, BANYAN_OK) << outcome.text;
  }
}

Routing all_equal(int size, int experts, int64_t rows) {
  return {
      .size = size, .experts = experts, .rows = std::vector<int64_t>(static_cast<size_t>(size * size * experts), rows)};
}

TEST(Fastmoe, EqualCountsThenRowsInOrderOfExpertsAndBack) {
  for (const int experts : {1, 2, 3, 4}) {
    expect_right(consecutive({2, 2}), {all_equal(4, experts, 3), all_equal(4, experts, 200)}, experts % 2 == 0);
  }
}

TEST(Fastmoe, NoRowsAnywhereThenNothingHappens) { expect_right(consecutive({3}), {all_equal(3, 2, 0)}, true); }

TEST(Fastmoe, OneRankThenRowsAreCopied) { expect_right(consecutive({1}), {all_equal(1, 3, 7)}, true); }

TEST(Fastmoe, OneExpertGetsAllThenRight) {
  for (const int experts : {1, 3}) {
    Routing routing = all_equal(5, experts, 0);
    for (int source = 0; source < 5; ++source) {
      routing.rows[static_cast<size_t>((source * 5 + 3) * experts + experts - 1)] = 400;
    }
    expect_right(consecutive({3, 2}), {routing}, false);
  }
}

TEST(Fastmoe, RandomCountsThenRightWhateverTheHosts) {
  EXPECT_TRUE(rc::check([] {
    const auto hosts =
        consecutive(*rc::gen::elementOf(std::vector<std::vector<int>>{{1}, {2}, {4}, {1, 2}, {3, 2}, {2, 1, 2}}));
    Routing routing;
    routing.size = 0;
    for (const auto& host : hosts) {
      routing.size += static_cast<int>(host.size());
    }
    routing.experts = *rc::gen::inRange(1, 5);
    const auto cells = static_cast<size_t>(routing.size * routing.size * routing.experts);
    // Many pairs without rows, some with a few, and some with so many that they travel directly.
    routing.rows = *rc::gen::container<std::vector<int64_t>>(
        cells, rc::gen::weightedOneOf<int64_t>({{4, rc::gen::just<int64_t>(0)},
                                                {4, rc::gen::inRange<int64_t>(0, 20)},
                                                {1, rc::gen::inRange<int64_t>(0, 3000)}}));
    expect_right(hosts, {routing}, *rc::gen::arbitrary<bool>());
  }));
}

/// Rank 1 expects two rows more of rank 0 for its expert 0, and as many fewer for its expert 1 where `moved`.
std::vector<Outcome> disagree(int experts, bool moved, bool verify) {
  return testing::run_ranks(consecutive({2, 1}), {}, [&](coll::Engine& engine) {
    Fastmoe fastmoe(engine);
    const Routing routing = all_equal(3, experts, 5);
    const int self = engine.communicator().rank();
    const auto local = routing.local(self);
    auto global = routing.global(self);
    if (self == 1) {
      global[0] += 2;
      global[1] -= moved ? 2 : 0;
    }
    const auto sent = routing.sent(self);
    std::vector<Row> received(100);
    fastmoe.global_scatter({.sendbuf = sent.data(),
                            .local = local.data(),
                            .recvbuf = received.data(),
                            .global = global.data(),
                            .num_local_experts = experts,
                            .row_bytes = sizeof(Row),
                            .verify_counts = verify,
                            .options = {}});
    engine.barrier();  // those that were done before learn it here
  });
}

TEST(Fastmoe, CountsOfAPairDifferThenMismatchOnAllRanks) {
  for (const bool verify : {false, true}) {
    for (const Outcome& outcome : disagree(2, false, verify)) {
      EXPECT_EQ(outcome.status, BANYAN_ERR_MISMATCH) << outcome.text;
    }
  }
}

TEST(Fastmoe, CountsOfExpertsDifferButNotTheirSumThenOnlyVerifyingTells) {
  for (const Outcome& outcome : disagree(2, true, true)) {
    EXPECT_EQ(outcome.status, BANYAN_ERR_MISMATCH);
    EXPECT_THAT(outcome.text, HasSubstr("rank 0 has 5 rows for expert 0 of rank 1, whose global_expert_count[0] is 7"));
  }
  for (const Outcome& outcome : disagree(2, true, false)) {
    EXPECT_EQ(outcome.status, BANYAN_OK) << outcome.text;
  }
}

TEST(Fastmoe, OwnCountsDifferThenMismatchOnAllRanks) {
  const auto outcomes = testing::run_ranks(consecutive({2}), {}, [&](coll::Engine& engine) {
    Fastmoe fastmoe(engine);
    const std::vector<int64_t> local(4, 1);
    std::vector<int64_t> global(4, 1);
    if (engine.communicator().rank() == 0) {
      global[0] = 2;
      global[1] = 0;
    }
    std::vector<Row> sent(4);
    std::vector<Row> received(4);
    fastmoe.global_scatter({.sendbuf = sent.data(),
                            .local = local.data(),
                            .recvbuf = received.data(),
                            .global = global.data(),
                            .num_local_experts = 2,
                            .row_bytes = sizeof(Row),
                            .options = {}});
    engine.barrier();
  });
  for (const Outcome& outcome : outcomes) {
    EXPECT_EQ(outcome.status, BANYAN_ERR_MISMATCH) << outcome.text;
    EXPECT_THAT(outcome.text, HasSubstr("rank 0 has 1 rows for its own expert 0"));
  }
}

void expect_rejected(Fastmoe& fastmoe, const FastmoeCall& call, banyan_status status, const std::string& text) {
  for (const bool gather : {false, true}) {
    try {
      gather ? fastmoe.global_gather(call) : fastmoe.global_scatter(call);
      ADD_FAILURE() << "no error: " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), status) << error.what();
      EXPECT_THAT(error.what(), HasSubstr(text));
    }
  }
}

TEST(Fastmoe, BadArgumentsThenNamedAndTheCommunicatorGoesOn) {
  const auto outcomes = testing::run_ranks(consecutive({2}), {}, [&](coll::Engine& engine) {
    Fastmoe fastmoe(engine);
    std::vector<int64_t> ones(4, 1);
    std::vector<int64_t> bad = ones;
    std::vector<Row> rows(4);
    std::vector<Row> other(4);
    const FastmoeCall good{.sendbuf = rows.data(),
                           .local = ones.data(),
                           .recvbuf = other.data(),
                           .global = ones.data(),
                           .num_local_experts = 2,
                           .row_bytes = sizeof(Row),
                           .options = {}};
    FastmoeCall call = good;
    bad[3] = -4;
    call.global = bad.data();
    expect_rejected(fastmoe, call, BANYAN_ERR_INVALID_ARGUMENT, "global_expert_count[3] is -4");
    bad[3] = std::numeric_limits<int64_t>::max();
    expect_rejected(fastmoe, call, BANYAN_ERR_LIMIT, "overflow");
    call = good;
    call.num_local_experts = 0;
    expect_rejected(fastmoe, call, BANYAN_ERR_INVALID_ARGUMENT, "num_local_experts is 0");
    call = good;
    call.row_bytes = 0;
    expect_rejected(fastmoe, call, BANYAN_ERR_INVALID_ARGUMENT, "row_bytes is 0");
    call = good;
    call.recvbuf = nullptr;
    expect_rejected(fastmoe, call, BANYAN_ERR_INVALID_ARGUMENT, "recvbuf is NULL");
    call = good;
    call.recvbuf = rows.data();
    expect_rejected(fastmoe, call, BANYAN_ERR_NOT_SUPPORTED, "in-place");
    there_and_back(engine, fastmoe, all_equal(2, 2, 3), false);
  });
  for (const Outcome& outcome : outcomes) {
    EXPECT_EQ(outcome.status, BANYAN_OK) << outcome.text;
  }
}

}  // namespace
}  // namespace banyan::moe
