// SPDX-License-Identifier: Apache-2.0
// Strangers on the port of the rendezvous: none of them keeps the job from coming together.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "star_fixture.hpp"

namespace banyan::bootstrap {
namespace {

using testing::kGenerous;
using testing::Star;

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

}  // namespace
}  // namespace banyan::bootstrap
