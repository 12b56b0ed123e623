// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/handshake.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <random>

namespace banyan::bootstrap {
namespace {

class Handshake : public ::testing::Test {
 protected:
  Secret secret_ = Secret::random();
  JobId job_ = random_job_id();
  Claim claim_ = {.rank = 3, .size = 8, .patience_ms = 60000};
  RankHandshake rank_{secret_, job_, claim_};
  RootHandshake root_{secret_, job_};
};

TEST_F(Handshake, SidesWithTheSameSecretAcceptEachOther) {
  const auto challenge = root_.challenge(rank_.hello());
  ASSERT_TRUE(challenge);
  const auto proof = rank_.answer(*challenge);
  ASSERT_TRUE(proof);
  EXPECT_TRUE(root_.verify(*proof));
}

TEST_F(Handshake, RootLearnsTheClaim) {
  ASSERT_TRUE(root_.challenge(rank_.hello()));
  EXPECT_EQ(root_.claim(), claim_);
}

TEST_F(Handshake, BothSidesDeriveTheSameTwoDifferentKeys) {
  ASSERT_TRUE(root_.verify(*rank_.answer(*root_.challenge(rank_.hello()))));
  EXPECT_EQ(root_.keys().to_root, rank_.keys().to_root);
  EXPECT_EQ(root_.keys().from_root, rank_.keys().from_root);
  EXPECT_NE(root_.keys().to_root, root_.keys().from_root);
}

TEST_F(Handshake, KeysOfTwoConnectionsDiffer) {
  ASSERT_TRUE(root_.verify(*rank_.answer(*root_.challenge(rank_.hello()))));
  RankHandshake other_rank(secret_, job_, claim_);
  RootHandshake other_root(secret_, job_);
  ASSERT_TRUE(other_root.verify(*other_rank.answer(*other_root.challenge(other_rank.hello()))));
  EXPECT_NE(root_.keys().to_root, other_root.keys().to_root);
}

TEST_F(Handshake, RankRefusesRootWithAnotherSecret) {
  RootHandshake stranger(Secret::random(), job_);
  EXPECT_FALSE(rank_.answer(*stranger.challenge(rank_.hello())));
}

TEST_F(Handshake, RootRefusesRankWithAnotherSecret) {
  RankHandshake stranger(Secret::random(), job_, claim_);
  ASSERT_TRUE(root_.challenge(stranger.hello()));
  EXPECT_FALSE(root_.verify(std::array<unsigned char, kProofBytes>{}));
}

TEST_F(Handshake, RootRefusesHelloOfAnotherJob) {
  EXPECT_FALSE(RootHandshake(secret_, random_job_id()).challenge(rank_.hello()));
}

TEST_F(Handshake, ReplayedConversationFailsAsTheRootsNonceIsNew) {
  const auto captured_proof = rank_.answer(*root_.challenge(rank_.hello()));
  RootHandshake later(secret_, job_);
  ASSERT_TRUE(later.challenge(rank_.hello()));  // the captured hello
  EXPECT_FALSE(later.verify(*captured_proof));
}

TEST_F(Handshake, RootsOwnProofReflectedFails) {
  const auto challenge = *root_.challenge(rank_.hello());
  EXPECT_FALSE(root_.verify(Bytes(challenge).last(kProofBytes)));
}

TEST_F(Handshake, VersionOfTheRankReachesTheRoot) {
  RankHandshake newer(secret_, job_, {.version = 9, .rank = 3, .size = 8, .patience_ms = 1});
  ASSERT_TRUE(root_.verify(*newer.answer(*root_.challenge(newer.hello()))));
  EXPECT_EQ(root_.claim().version, 9);
}

TEST(HandshakeProperty, AnyChangedBitOfHelloChallengeOrProofIsRefused) {
  EXPECT_TRUE(rc::check([] {
    const Secret secret = Secret::random();
    const JobId job = random_job_id();
    RankHandshake rank(secret, job, {.rank = 1, .size = 2, .patience_ms = 5});
    RootHandshake root(secret, job);
    const int which = *rc::gen::inRange(0, 3);
    const auto flip = [](auto bytes, bool now) {
      if (now) {
        const size_t bit = *rc::gen::inRange<size_t>(0, bytes.size() * 8);
        bytes[bit / 8] = static_cast<unsigned char>(bytes[bit / 8] ^ (1U << (bit % 8)));
      }
      return bytes;
    };
    const auto challenge = root.challenge(flip(rank.hello(), which == 0));
    if (!challenge) {
      RC_SUCCEED("hello refused");
    }
    const auto proof = rank.answer(flip(*challenge, which == 1));
    if (!proof) {
      RC_SUCCEED("challenge refused");
    }
    RC_ASSERT(!root.verify(flip(*proof, which == 2)));
  }));
}

TEST(HandshakeProperty, RandomBytesOfAnyLengthAreRefused) {
  EXPECT_TRUE(rc::check([](const std::vector<unsigned char>& bytes) {
    const Secret secret = Secret::random();
    RootHandshake root(secret, {});
    RankHandshake rank(secret, {}, {});
    RC_ASSERT(!root.challenge(bytes));
    RC_ASSERT(!root.verify(bytes));
    RC_ASSERT(!rank.answer(bytes));
  }));
}

}  // namespace
}  // namespace banyan::bootstrap
