// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/channel.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <sys/socket.h>

#include "base/error.hpp"

namespace banyan::bootstrap {
namespace {

using ::testing::ElementsAre;

/// Two ends of one connection, and what travels between them can be changed.
struct Wire {
  Wire() {
    std::array<int, 2> root_side{};
    std::array<int, 2> rank_side{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, root_side.data()) != 0 ||
        ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, rank_side.data()) != 0) {
      throw Error(BANYAN_ERR_IO, "socketpair");
    }
    SessionKeys keys;
    fill_random(keys.to_root);
    fill_random(keys.from_root);
    root.emplace(Fd(root_side[0]), keys, Channel::Side::kRoot, 3);
    rank.emplace(Fd(rank_side[0]), keys, Channel::Side::kRank, 0);
    to_root.reset(root_side[1]);
    to_rank.reset(rank_side[1]);
  }

  /// Takes all that the rank sent.
  std::vector<unsigned char> take_from_rank() { return take(to_rank.get()); }
  void give_to_root(Bytes bytes) const {
    size_t sent = 0;
    ASSERT_EQ(send_some(to_root.get(), bytes, sent), IoResult::kDone);
  }
  static std::vector<unsigned char> take(int fd) {
    std::vector<unsigned char> all(1 << 20);
    size_t received = 0;
    while (receive_some(fd, std::span(all).subspan(received), received) == IoResult::kDone) {
    }
    all.resize(received);
    return all;
  }

  std::optional<Channel> root;
  std::optional<Channel> rank;
  Fd to_root;
  Fd to_rank;
};

/// All frames that have arrived, as text.
std::vector<std::string> read_all(Channel& channel) {
  std::vector<std::string> texts;
  IoResult result = IoResult::kDone;
  while (result == IoResult::kDone) {
    result = channel.receive();
    while (const auto frame = channel.next()) {
      texts.emplace_back(reinterpret_cast<const char*>(frame->payload.data()), frame->payload.size());
    }
  }
  return texts;
}

banyan_status status_of_reading(Channel& channel) {
  try {
    read_all(channel);
    return BANYAN_OK;
  } catch (const Error& error) {
    return error.status();
  }
}

TEST(Channel, FramesArriveInOrderWithTheirPayload) {
  Wire wire;
  wire.rank->queue(5, as_bytes("one"));
  wire.rank->queue(6, {});
  wire.rank->queue(7, as_bytes("three"));
  ASSERT_EQ(wire.rank->flush(), IoResult::kDone);
  wire.give_to_root(wire.take_from_rank());
  EXPECT_THAT(read_all(*wire.root), ElementsAre("one", "", "three"));
}

TEST(Channel, LargestFrameArrivesByteByByte) {
  Wire wire;
  const std::string large(Channel::kMaxPayloadBytes, 'x');
  wire.rank->queue(5, as_bytes(large));
  ASSERT_EQ(wire.rank->flush(), IoResult::kDone);
  const auto bytes = wire.take_from_rank();
  std::vector<std::string> seen;
  for (size_t i = 0; i < bytes.size(); ++i) {
    wire.give_to_root(Bytes(bytes).subspan(i, 1));
    for (std::string& text : read_all(*wire.root)) {
      seen.push_back(std::move(text));
    }
  }
  EXPECT_THAT(seen, ElementsAre(large));
}

TEST(Channel, FrameOverTheLimitIsAnInternalErrorOfTheSender) {
  Wire wire;
  const std::string large(Channel::kMaxPayloadBytes + 1, 'x');
  EXPECT_THROW(wire.rank->queue(5, as_bytes(large)), Error);
}

TEST(Channel, RepeatedFrameIsRefused) {
  Wire wire;
  wire.rank->queue(5, as_bytes("pay"));
  ASSERT_EQ(wire.rank->flush(), IoResult::kDone);
  const auto bytes = wire.take_from_rank();
  wire.give_to_root(bytes);
  wire.give_to_root(bytes);
  EXPECT_EQ(status_of_reading(*wire.root), BANYAN_ERR_AUTH);
}

TEST(Channel, DroppedFrameIsNoticedAtTheNext) {
  Wire wire;
  wire.rank->queue(5, as_bytes("first"));
  ASSERT_EQ(wire.rank->flush(), IoResult::kDone);
  static_cast<void>(wire.take_from_rank());
  wire.rank->queue(5, as_bytes("second"));
  ASSERT_EQ(wire.rank->flush(), IoResult::kDone);
  wire.give_to_root(wire.take_from_rank());
  EXPECT_EQ(status_of_reading(*wire.root), BANYAN_ERR_AUTH);
}

TEST(Channel, ReflectedFrameIsRefused) {
  Wire wire;
  wire.root->queue(5, as_bytes("to the rank"));
  ASSERT_EQ(wire.root->flush(), IoResult::kDone);
  wire.give_to_root(Wire::take(wire.to_root.get()));
  EXPECT_EQ(status_of_reading(*wire.root), BANYAN_ERR_AUTH);
}

TEST(Channel, HugeLengthIsRefusedBeforeAnyMemoryIsTaken) {
  Wire wire;
  wire.give_to_root(WireWriter().u32(0xffffffff).u16(5).u16(0).result());
  EXPECT_EQ(status_of_reading(*wire.root), BANYAN_ERR_FORMAT);
}

TEST(Channel, EndOfStreamIsClosedAfterTheLastFrame) {
  Wire wire;
  wire.rank->queue(5, as_bytes("last"));
  ASSERT_EQ(wire.rank->flush(), IoResult::kDone);
  wire.give_to_root(wire.take_from_rank());
  wire.to_root.reset();
  EXPECT_THAT(read_all(*wire.root), ElementsAre("last"));
  EXPECT_EQ(wire.root->receive(), IoResult::kClosed);
}

TEST(ChannelProperty, AnyChangedBitIsRefusedOrStalls) {
  EXPECT_TRUE(rc::check([](const std::string& first, const std::string& second) {
    Wire wire;
    wire.rank->queue(5, as_bytes(first));
    wire.rank->queue(6, as_bytes(second));
    RC_ASSERT(wire.rank->flush() == IoResult::kDone);
    auto bytes = wire.take_from_rank();
    const size_t bit = *rc::gen::inRange<size_t>(0, bytes.size() * 8);
    bytes[bit / 8] = static_cast<unsigned char>(bytes[bit / 8] ^ (1U << (bit % 8)));
    wire.give_to_root(bytes);
    // Either an error, or the frame never becomes whole (a length that grew): never both texts as if nothing were.
    try {
      RC_ASSERT(read_all(*wire.root).size() < 2);
    } catch (const Error& error) {
      RC_ASSERT(error.status() == BANYAN_ERR_AUTH || error.status() == BANYAN_ERR_FORMAT);
    }
  }));
}

TEST(ChannelProperty, RandomBytesNeverYieldAFrame) {
  EXPECT_TRUE(rc::check([](const std::vector<unsigned char>& bytes) {
    Wire wire;
    wire.give_to_root(bytes);
    try {
      RC_ASSERT(read_all(*wire.root).empty());
    } catch (const Error&) {
    }
  }));
}

}  // namespace
}  // namespace banyan::bootstrap
