// SPDX-License-Identifier: Apache-2.0
#include "compare/channel.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <future>

#include "common/failure.hpp"

namespace banyan::perf {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr double kNoLimit = -1;

std::string fresh_path(const char* name) {
  return std::filesystem::temp_directory_path() / (std::string(name) + std::to_string(getpid()));
}

/// Both ends of a connection.
struct Pair {
  Pair() : Pair(make()) {}
  Channel one;
  int other;  ///< as a plain socket, closed by the test

 private:
  explicit Pair(std::array<int, 2> ends) : one(Descriptor(ends[0])), other(ends[1]) {}
  static std::array<int, 2> make() {
    std::array<int, 2> ends{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    return ends;
  }
};

TEST(Channel, CarriesValuesBothWaysOverAPathUntilOneEndCloses) {
  const std::string path = fresh_path("channel_test");
  Listener listener(path);
  auto answered = std::async(std::launch::async, [&] {
    Channel channel = listener.accept();
    int count = 0;
    while (const auto question = channel.receive(kNoLimit)) {
      channel.send({{"twice", 2 * question->at("number").get<int>()}});
      ++count;
    }
    return count;
  });
  {
    Channel channel = connect_to(path);
    for (const int number : {1, 21}) {
      channel.send({{"number", number}});
      EXPECT_EQ(channel.receive(kNoLimit), Json({{"twice", 2 * number}}));
    }
  }
  EXPECT_EQ(answered.get(), 2);
}

TEST(Channel, ConnectingWhereNobodyListensNamesThePath) {
  EXPECT_THAT([] { (void)connect_to("/nowhere/rank0"); }, ThrowsMessage<Failure>(HasSubstr("/nowhere/rank0")));
}

TEST(Channel, APathTooLongForASocketIsRefused) {
  EXPECT_THAT([] { (void)connect_to(std::string(200, 'x')); }, ThrowsMessage<Failure>(HasSubstr("shorter folder")));
}

TEST(Channel, ASilentEndIsGivenUp) {
  Pair pair;
  EXPECT_THAT([&] { (void)pair.one.receive(0); }, ThrowsMessage<Failure>(HasSubstr("no answer")));
  close(pair.other);
}

TEST(Channel, AnEndThatClosesAmidAMessageIsAFailure) {
  Pair pair;
  ASSERT_EQ(write(pair.other, "\x20\0\0", 3), 3);
  close(pair.other);
  EXPECT_THAT([&] { (void)pair.one.receive(kNoLimit); }, ThrowsMessage<Failure>(HasSubstr("amid a message")));
}

TEST(Channel, WhatIsNoJsonIsAFailure) {
  Pair pair;
  ASSERT_EQ(write(pair.other, "\x03\0\0\0\0\0\0\0no!", 11), 11);
  EXPECT_THAT([&] { (void)pair.one.receive(kNoLimit); }, ThrowsMessage<Failure>(HasSubstr("no JSON")));
  close(pair.other);
}

TEST(Channel, AnEnormousSizeIsNotBelieved) {
  Pair pair;
  ASSERT_EQ(write(pair.other, "\xff\xff\xff\xff\xff\0\0\0", 8), 8);
  EXPECT_THAT([&] { (void)pair.one.receive(kNoLimit); }, ThrowsMessage<Failure>(HasSubstr("none of ours")));
  close(pair.other);
}

TEST(Channel, SendingToAClosedEndIsAFailureAndNoSignal) {
  Pair pair;
  close(pair.other);
  EXPECT_THROW(pair.one.send({{"number", 1}}), Failure);
}

}  // namespace
}  // namespace banyan::perf
