// SPDX-License-Identifier: Apache-2.0
// The rendezvous: ranks that are missing, double or wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <utility>

#include "bootstrap/tcp_bootstrap.hpp"
#include "star_fixture.hpp"

namespace banyan::bootstrap {
namespace {

using ::testing::AnyOf;
using ::testing::Eq;
using ::testing::HasSubstr;
using testing::kGenerous;
using testing::Outcome;
using testing::run_ranks;
using testing::Star;
using testing::status_of;
using testing::text_of;

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

TEST_F(Star, ConnectionsBearSilenceAsLongAsTheTicketTells) {
  const auto user_timeout_ms = [](const Channel& channel) {
    int value = 0;
    socklen_t length = sizeof value;
    EXPECT_EQ(::getsockopt(channel.fd(), IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &length), 0);
    return value;
  };
  for (const auto& [silence_s, expected_ms] : {std::pair{0.0, 4000}, {60.0, 60000}, {1e9, 600000}}) {
    Fd listener = listen(2);
    const auto outcomes = run_ranks(2, [&, silence_s = silence_s, expected_ms = expected_ms](int rank) {
      StarTicket own = ticket(rank);
      own.silence_s = silence_s;
      if (rank == 0) {
        const StarChannels channels = accept_star(std::move(listener), own, Deadline::in(kGenerous));
        EXPECT_EQ(user_timeout_ms(*channels[1]), expected_ms);
      } else {
        EXPECT_EQ(user_timeout_ms(join_star({root_}, own, std::nullopt, Deadline::in(kGenerous))), expected_ms);
      }
    });
    EXPECT_EQ(status_of(outcomes[0]), BANYAN_OK);
    EXPECT_EQ(status_of(outcomes[1]), BANYAN_OK);
  }
}

TEST_F(Star, RootThatNeverComesIsNamedWithItsAddress) {
  root_ = SocketAddress::from_ip("127.0.0.1", 1).value();  // nobody listens on port 1
  ticket_ = {.secret = {}, .job_id = {}, .rank = 2, .size = 3, .purpose = "bootstrap"};
  const auto outcomes = run_ranks(1, [&](int) { join(ticket_, 0.2); });
  EXPECT_EQ(status_of(outcomes[0]), BANYAN_ERR_TIMEOUT);
  EXPECT_THAT(text_of(outcomes[0]),
              HasSubstr("rank 2 of 3 did not reach rank 0 for the bootstrap within 0.2 s: 127.0.0.1:1: "
                        "Connection refused"));
}

TEST_F(Star, DeadlineThatIsPartlyUsedIsNamedWhole) {
  Fd listener = listen(2);
  const Deadline used = Deadline::in(0.01);
  const auto outcomes = run_ranks(1, [&](int) {
    while (!used.passed()) {
    }
    static_cast<void>(accept_star(std::move(listener), ticket_, used));
  });
  EXPECT_THAT(text_of(outcomes[0]), HasSubstr("rank 1 of 2 never came within 0.01 s"));
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

TEST_F(Star, RankThatComesAfterAFailureStillLearnsWhy) {
  Fd listener = listen(3);
  std::atomic<bool> rank_1_knows = false;
  const auto outcomes = run_ranks(3, [&](int rank) {
    if (rank == 0) {
      static_cast<void>(accept_star(std::move(listener), ticket_, Deadline::in(kGenerous)));
    } else if (rank == 1) {
      StarTicket wrong = ticket(1);
      wrong.size = 4;
      try {
        join(wrong);
      } catch (const Error&) {
        rank_1_knows = true;
        throw;
      }
    } else {
      while (!rank_1_knows) {
        std::this_thread::yield();
      }
      join(ticket(2));
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
