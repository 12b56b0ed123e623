// SPDX-License-Identifier: Apache-2.0
// The rendezvous: ranks that are missing, double or wrong, and strangers on the port.
#include "bootstrap/star.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <random>

#include "bootstrap/tcp_bootstrap.hpp"
#include "threads.hpp"

namespace banyan::bootstrap {
namespace {

using ::testing::AnyOf;
using ::testing::Eq;
using ::testing::HasSubstr;
using testing::Outcome;
using testing::run_ranks;
using testing::status_of;
using testing::text_of;

constexpr double kGenerous = 60;

size_t open_descriptors() {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

class Star : public ::testing::Test {
 protected:
  void SetUp() override { descriptors_before_ = open_descriptors(); }

  /// No test leaves a descriptor behind; a thread that lets go of its own may need a moment.
  void TearDown() override {
    const Deadline deadline = Deadline::in(kGenerous);
    while (open_descriptors() != descriptors_before_ && !deadline.passed()) {
      std::this_thread::yield();
    }
    EXPECT_EQ(open_descriptors(), descriptors_before_);
  }

  /// A listener, and a ticket for its rank 0.
  Fd listen(int size) {
    Fd listener = listen_on(SocketAddress::from_ip("127.0.0.1", 0).value());
    root_ = local_address(listener.get());
    ticket_ = {.secret = Secret::random(), .job_id = random_job_id(), .rank = 0, .size = size, .purpose = "bootstrap"};
    return listener;
  }

  [[nodiscard]] StarTicket ticket(int rank) const {
    StarTicket copy = ticket_;
    copy.rank = rank;
    return copy;
  }

  void join(const StarTicket& ticket, double seconds = kGenerous) const {
    const Channel channel = join_star({root_}, ticket, std::nullopt, Deadline::in(seconds));
  }

  /// A connection of a stranger.
  [[nodiscard]] Fd connect() const {
    int error = 0;
    Fd fd = start_connect(root_, std::nullopt, error);
    pollfd one = {.fd = fd.get(), .events = POLLOUT, .revents = 0};
    EXPECT_GT(poll_until({&one, 1}, Deadline::in(kGenerous)), 0);
    EXPECT_EQ(connect_error(fd.get()), 0);
    return fd;
  }

  static void say(const Fd& fd, Bytes bytes) {
    size_t sent = 0;
    static_cast<void>(send_some(fd.get(), bytes, sent));
  }

  static void hear(const Fd& fd, std::span<unsigned char> bytes) {
    size_t count = 0;
    while (count < bytes.size()) {
      pollfd one = {.fd = fd.get(), .events = POLLIN, .revents = 0};
      ASSERT_GT(poll_until({&one, 1}, Deadline::in(kGenerous)), 0);
      ASSERT_NE(receive_some(fd.get(), bytes.subspan(count), count), IoResult::kClosed);
    }
  }

  /// Whether the root closes the connection (after whatever it says).
  static bool is_cut(const Fd& fd) {
    const Deadline deadline = Deadline::in(kGenerous);
    std::array<unsigned char, 256> heard;
    while (!deadline.passed()) {
      pollfd one = {.fd = fd.get(), .events = POLLIN, .revents = 0};
      size_t count = 0;
      if (poll_until({&one, 1}, deadline) > 0 && receive_some(fd.get(), heard, count) == IoResult::kClosed) {
        return true;
      }
    }
    return false;
  }

  /// Runs rank 0 beside `visitors`, who come before the other ranks do, and expects the job to come together.
  void expect_job_survives(int size, const std::function<void()>& visitors) {
    Fd listener = listen(size);
    std::thread root([&] {
      const StarChannels channels = accept_star(std::move(listener), ticket_, Deadline::in(kGenerous));
      EXPECT_EQ(channels.size(), static_cast<size_t>(size));
    });
    visitors();
    const auto outcomes = run_ranks(size - 1, [&](int i) { join(ticket(i + 1)); });
    root.join();
    for (const Outcome& outcome : outcomes) {
      EXPECT_EQ(text_of(outcome), "no error");
    }
  }

  SocketAddress root_;
  StarTicket ticket_;
  size_t descriptors_before_ = 0;
};

TEST_F(Star, MissingRanksAreNamedOnEveryRankThatCame) {
  Fd listener = listen(6);
  const auto outcomes = run_ranks(6, [&](int rank) {
    if (rank == 0) {
      static_cast<void>(accept_star(std::move(listener), ticket_, Deadline::in(1)));
    } else if (rank != 3 && rank != 5) {
      join(ticket(rank));
    }
  });
  for (const int rank : {0, 1, 2, 4}) {
    const Outcome& outcome = outcomes[static_cast<size_t>(rank)];
    EXPECT_EQ(status_of(outcome), BANYAN_ERR_TIMEOUT);
    EXPECT_THAT(text_of(outcome), HasSubstr("ranks 3, 5 of 6 never came within 1 s; rank 0 waited for the bootstrap at "
                                            "127.0.0.1:"));
  }
}

TEST_F(Star, RootHeedsThePatienceOfTheRanks) {
  Fd listener = listen(3);
  const auto outcomes = run_ranks(2, [&](int rank) {
    if (rank == 0) {
      static_cast<void>(accept_star(std::move(listener), ticket_, Deadline::in(kGenerous)));
    } else {
      join(ticket(1), 1);
    }
  });
  EXPECT_EQ(status_of(outcomes[0]), BANYAN_ERR_TIMEOUT);
  EXPECT_THAT(text_of(outcomes[1]), HasSubstr("rank 2 of 3 never came"));
}

TEST_F(Star, RootThatNeverComesIsNamedWithItsAddress) {
  root_ = SocketAddress::from_ip("127.0.0.1", 1).value();  // nobody listens on port 1
  ticket_ = {.secret = {}, .job_id = {}, .rank = 2, .size = 3, .purpose = "bootstrap"};
  const auto outcomes = run_ranks(1, [&](int) { join(ticket_, 0.2); });
  EXPECT_EQ(status_of(outcomes[0]), BANYAN_ERR_TIMEOUT);
  EXPECT_THAT(text_of(outcomes[0]), HasSubstr("rank 2 of 3 found no root of its bootstrap within 0.2 s: 127.0.0.1:1: "
                                              "Connection refused"));
}

TEST_F(Star, DifferentSizeIsAMismatchThatNamesTheRank) {
  Fd listener = listen(3);
  StarTicket wrong = ticket(2);
  wrong.size = 4;
  const auto outcomes = run_ranks(2, [&](int i) {
    if (i == 0) {
      static_cast<void>(accept_star(std::move(listener), ticket_, Deadline::in(kGenerous)));
    } else {
      join(wrong);
    }
  });
  for (const Outcome& outcome : outcomes) {
    EXPECT_EQ(status_of(outcome), BANYAN_ERR_MISMATCH);
    EXPECT_THAT(text_of(outcome), HasSubstr("says the job has 4 ranks, rank 0 says 3"));
  }
}

TEST_F(Star, DuplicateRankIsAMismatchOnAllThatCame) {
  Fd listener = listen(4);
  const auto outcomes = run_ranks(3, [&](int i) {
    if (i == 0) {
      static_cast<void>(accept_star(std::move(listener), ticket_, Deadline::in(kGenerous)));
    } else {
      join(ticket(2));  // both
    }
  });
  for (const Outcome& outcome : outcomes) {
    EXPECT_EQ(status_of(outcome), BANYAN_ERR_MISMATCH);
    EXPECT_THAT(text_of(outcome), HasSubstr("rank 2 came twice: from 127.0.0.1:"));
  }
}

TEST_F(Star, RankOutsideTheSizeIsAMismatchOnBoth) {
  for (const int bad : {0, 3, -1}) {
    Fd listener = listen(3);
    const auto outcomes = run_ranks(2, [&](int i) {
      if (i == 0) {
        static_cast<void>(accept_star(std::move(listener), ticket_, Deadline::in(kGenerous)));
      } else {
        join(ticket(bad));
      }
    });
    for (const Outcome& outcome : outcomes) {
      EXPECT_EQ(status_of(outcome), BANYAN_ERR_MISMATCH);
      EXPECT_THAT(text_of(outcome), HasSubstr("claims rank " + std::to_string(bad) + " of 3"));
    }
  }
}

TEST_F(Star, AnotherProtocolVersionIsAMismatchThatNamesBoth) {
  Fd listener = listen(2);
  const auto outcomes = run_ranks(2, [&](int i) {
    if (i == 0) {
      static_cast<void>(accept_star(std::move(listener), ticket_, Deadline::in(kGenerous)));
      return;
    }
    const Fd fd = connect();
    RankHandshake handshake(ticket_.secret, ticket_.job_id,
                            {.version = 77, .rank = 1, .size = 2, .patience_ms = 60000});
    say(fd, handshake.hello());
    std::array<unsigned char, kChallengeBytes> challenge;
    hear(fd, challenge);
    say(fd, *handshake.answer(challenge));
    EXPECT_TRUE(is_cut(fd));
  });
  EXPECT_EQ(status_of(outcomes[0]), BANYAN_ERR_MISMATCH);
  EXPECT_THAT(text_of(outcomes[0]), HasSubstr("speaks version 77 of Banyan's protocol, rank 0 speaks version 1"));
}

TEST_F(Star, WrongSecretIsAnAuthenticationErrorOnEveryRank) {
  Fd listener = listen(3);
  StarTicket wrong = ticket(2);
  wrong.secret = Secret::random();
  const auto outcomes = run_ranks(3, [&](int rank) {
    if (rank == 0) {
      static_cast<void>(accept_star(std::move(listener), ticket_, Deadline::in(1.5)));
    } else {
      join(rank == 2 ? wrong : ticket(rank));
    }
  });
  for (const Outcome& outcome : outcomes) {
    EXPECT_EQ(status_of(outcome), BANYAN_ERR_AUTH) << text_of(outcome);
  }
  EXPECT_THAT(text_of(outcomes[2]), HasSubstr("does not know this rank's job secret"));
  EXPECT_THAT(text_of(outcomes[1]), HasSubstr("a process that claimed rank 2 did not know the job secret"));
}

TEST_F(Star, RankThatDiesWhileOthersAreAwaitedIsNamed) {
  Fd listener = listen(4);
  const auto outcomes = run_ranks(3, [&](int rank) {
    if (rank == 0) {
      static_cast<void>(accept_star(std::move(listener), ticket_, Deadline::in(kGenerous)));
      return;
    }
    if (rank == 1) {
      join(ticket(1), 3);
      return;
    }
    // Rank 2 proves itself, then its process is gone.
    const Fd fd = connect();
    RankHandshake handshake(ticket_.secret, ticket_.job_id, {.rank = 2, .size = 4, .patience_ms = 60000});
    say(fd, handshake.hello());
    std::array<unsigned char, kChallengeBytes> challenge;
    hear(fd, challenge);
    say(fd, *handshake.answer(challenge));
  });
  EXPECT_EQ(status_of(outcomes[0]), BANYAN_ERR_PEER_FAILED);
  EXPECT_THAT(text_of(outcomes[0]), HasSubstr("rank 2 at 127.0.0.1:"));
  // Rank 1 hears it, or finds the root gone if it had not come yet: then its own deadline bounds it.
  EXPECT_THAT(status_of(outcomes[1]), AnyOf(Eq(BANYAN_ERR_PEER_FAILED), Eq(BANYAN_ERR_TIMEOUT)));
}

TEST_F(Star, RootThatDiesWhileOthersAreAwaitedIsNamed) {
  Fd listener = listen(3);
  const auto outcomes = run_ranks(2, [&](int i) {
    if (i == 1) {
      join(ticket(1));
      return;
    }
    // A root that proves itself to rank 1 and is then gone.
    pollfd one = {.fd = listener.get(), .events = POLLIN, .revents = 0};
    ASSERT_GT(poll_until({&one, 1}, Deadline::in(kGenerous)), 0);
    const Fd fd = accept_connection(listener.get());
    RootHandshake handshake(ticket_.secret, ticket_.job_id);
    std::array<unsigned char, kHelloBytes> hello;
    std::array<unsigned char, kProofBytes> proof;
    hear(fd, hello);
    say(fd, *handshake.challenge(hello));
    hear(fd, proof);
    EXPECT_TRUE(handshake.verify(proof));
  });
  EXPECT_EQ(status_of(outcomes[1]), BANYAN_ERR_PEER_FAILED);
  EXPECT_THAT(text_of(outcomes[1]), HasSubstr("rank 0 at 127.0.0.1:"));
}

TEST_F(Star, ListenerIsClosedWhenAllHaveCome) {
  expect_job_survives(3, [] {});
  int error = 0;
  const Fd fd = start_connect(root_, std::nullopt, error);
  pollfd one = {.fd = fd.get(), .events = POLLOUT, .revents = 0};
  if (error == 0 && poll_until({&one, 1}, Deadline::in(kGenerous)) > 0) {
    error = connect_error(fd.get());
  }
  EXPECT_EQ(error, ECONNREFUSED);
}

TEST_F(Star, HttpRequestIsDropped) {
  expect_job_survives(3, [&] {
    const Fd fd = connect();
    say(fd,
        as_bytes("GET / HTTP/1.1\r\nHost: example\r\nUser-Agent: a-scanner-that-sends-more-than-a-hello/1.0\r\n\r\n"));
    EXPECT_TRUE(is_cut(fd));
  });
}

TEST_F(Star, TlsHelloIsDropped) {
  expect_job_survives(3, [&] {
    std::vector<unsigned char> hello = {0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03};
    hello.resize(517, 0x5a);
    const Fd fd = connect();
    say(fd, hello);
    EXPECT_TRUE(is_cut(fd));
  });
}

TEST_F(Star, LengthOfTwoToThe63IsDropped) {
  expect_job_survives(2, [&] {
    std::vector<unsigned char> bytes(72, 0);
    bytes[7] = 0x80;
    const Fd fd = connect();
    say(fd, bytes);
    EXPECT_TRUE(is_cut(fd));
  });
}

TEST_F(Star, RandomBytesAreDropped) {
  std::mt19937 random(20260101);
  expect_job_survives(3, [&] {
    for (int i = 0; i < 200; ++i) {
      std::vector<unsigned char> bytes(72 + random() % 400);
      for (unsigned char& byte : bytes) {
        byte = static_cast<unsigned char>(random());
      }
      if (i % 2 == 0) {  // past the first check
        std::ranges::copy(as_bytes("BANYANhi"), bytes.begin());
      }
      const Fd fd = connect();
      say(fd, bytes);
      EXPECT_TRUE(is_cut(fd));
    }
  });
}

TEST_F(Star, ReplayedHandshakeIsDroppedAndTakesNobodysPlace) {
  expect_job_survives(3, [&] {
    // What an eavesdropper has of an earlier rendezvous of rank 1 with the same secret and job.
    RankHandshake captured(ticket_.secret, ticket_.job_id, {.rank = 1, .size = 3, .patience_ms = 60000});
    RootHandshake earlier(ticket_.secret, ticket_.job_id);
    const auto proof = captured.answer(*earlier.challenge(captured.hello()));
    for (int i = 0; i < 3; ++i) {
      const Fd fd = connect();
      say(fd, captured.hello());
      say(fd, *proof);
      EXPECT_TRUE(is_cut(fd));
    }
  });
}

TEST_F(Star, MoreSilentStrangersThanTheTableHoldsDoNotKeepRanksOut) {
  std::vector<Fd> strangers;
  expect_job_survives(4, [&] {
    for (size_t i = 0; i < 3 * kMaxPending; ++i) {
      strangers.push_back(connect());
    }
  });
}

TEST_F(Star, SlowTricklerIsCutAlthoughItKeepsSending) {
  expect_job_survives(2, [&] {
    const Fd fd = connect();
    const auto hello = RankHandshake(ticket_.secret, ticket_.job_id, {.rank = 1, .size = 2, .patience_ms = 1}).hello();
    const Deadline deadline = Deadline::in(kGenerous);
    bool cut = false;
    for (size_t i = 0; !cut && i < hello.size() && !deadline.passed(); ++i) {
      say(fd, Bytes(hello).subspan(i, 1));
      pollfd one = {.fd = fd.get(), .events = POLLRDHUP, .revents = 0};
      cut = poll_until({&one, 1}, deadline, 200) > 0;  // a byte every 0.2 s would take 14 s
    }
    EXPECT_TRUE(cut);
  });
}

TEST_F(Star, SixtyFourRanksComeTogether) {
  expect_job_survives(64, [] {});
}

TEST_F(Star, RankFindsTheRootAmongCandidates) {
  const Fd silent = listen_on(SocketAddress::from_ip("127.0.0.1", 0).value());  // accepts, never answers
  Fd listener = listen(2);
  std::thread root([&] { static_cast<void>(accept_star(std::move(listener), ticket_, Deadline::in(kGenerous))); });
  const std::vector<SocketAddress> candidates = {SocketAddress::from_ip("127.0.0.1", 1).value(),
                                                 local_address(silent.get()), root_};
  const auto outcomes = run_ranks(
      1, [&](int) { const Channel channel = join_star(candidates, ticket(1), std::nullopt, Deadline::in(kGenerous)); });
  root.join();
  EXPECT_EQ(text_of(outcomes[0]), "no error");
}

TEST_F(Star, RankThatLeavesBetweenExchangesIsNamedInTheNext) {
  const UniqueId id = create_unique_id("lo", Deadline::in(kGenerous));
  const auto outcomes = run_ranks(4, [&](int rank) {
    const auto bootstrap = make_tcp_bootstrap(id, rank, 4, "", Deadline::in(kGenerous));
    if (rank != 2) {
      bootstrap->barrier(Deadline::in(kGenerous));
    }
  });
  for (const int rank : {0, 1, 3}) {
    EXPECT_EQ(status_of(outcomes[static_cast<size_t>(rank)]), BANYAN_ERR_PEER_FAILED);
    EXPECT_THAT(text_of(outcomes[static_cast<size_t>(rank)]), HasSubstr("rank 2 ended or gave up"));
  }
}

TEST_F(Star, RankZeroInAnotherProcessThanTheIdIsToldSo) {
  UniqueId id = create_unique_id("lo", Deadline::in(kGenerous));
  static_cast<void>(take_listener(id));
  const auto outcomes =
      run_ranks(1, [&](int) { static_cast<void>(make_tcp_bootstrap(id, 0, 2, "", Deadline::in(kGenerous))); });
  EXPECT_EQ(status_of(outcomes[0]), BANYAN_ERR_INVALID_ARGUMENT);
  EXPECT_THAT(text_of(outcomes[0]), HasSubstr("rank 0 must be the process that called banyan_unique_id_create"));
}

}  // namespace
}  // namespace banyan::bootstrap
