// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/unique_id.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <thread>

#include "base/error.hpp"
#include "threads.hpp"

namespace banyan::bootstrap {
namespace {

using ::testing::HasSubstr;
using testing::run_ranks;
using testing::status_of;
using testing::text_of;

UniqueId example(const char* ip) {
  UniqueId id;
  id.root = SocketAddress::from_ip(ip, 4711).value();
  id.job_id = random_job_id();
  id.secret = Secret::random();
  return id;
}

banyan_unique_id written(const UniqueId& id) {
  banyan_unique_id bytes;
  std::memset(&bytes, 0xee, sizeof bytes);
  id.write(bytes);
  return bytes;
}

banyan_status status_of_reading(const banyan_unique_id& bytes) {
  return status_of(run_ranks(1, [&](int) { static_cast<void>(UniqueId::read(bytes)); })[0]);
}

TEST(UniqueId, ReadsWhatItWrote) {
  for (const char* ip : {"10.1.2.3", "fd00::17"}) {
    const UniqueId before = example(ip);
    const UniqueId after = UniqueId::read(written(before));
    EXPECT_EQ(after.root.text(), before.root.text());
    EXPECT_EQ(after.job_id, before.job_id);
    EXPECT_TRUE(equal_in_constant_time(after.secret.bytes(), before.secret.bytes()));
  }
}

TEST(UniqueId, AnyChangedByteIsRefused) {
  const banyan_unique_id good = written(example("10.1.2.3"));
  for (size_t i = 0; i < sizeof good.bytes; ++i) {
    banyan_unique_id bad = good;
    bad.bytes[i] = static_cast<unsigned char>(bad.bytes[i] ^ 1U);
    EXPECT_EQ(status_of_reading(bad), BANYAN_ERR_INVALID_ARGUMENT) << "byte " << i;
  }
}

TEST(UniqueId, ZeroesAreRefused) { EXPECT_EQ(status_of_reading(banyan_unique_id{}), BANYAN_ERR_INVALID_ARGUMENT); }

TEST(UniqueId, CreatedIdsDiffer) {
  const UniqueId a = create_unique_id("lo", Deadline::in(60));
  const UniqueId b = create_unique_id("lo", Deadline::in(60));
  EXPECT_NE(a.job_id, b.job_id);
  EXPECT_NE(a.root.port(), b.root.port());
  EXPECT_FALSE(equal_in_constant_time(a.secret.bytes(), b.secret.bytes()));
}

TEST(UniqueId, ListenerIsTakenOnce) {
  const UniqueId id = create_unique_id("lo", Deadline::in(60));
  EXPECT_TRUE(take_listener(id));
  const auto outcomes = run_ranks(1, [&](int) { static_cast<void>(take_listener(id)); });
  EXPECT_EQ(status_of(outcomes[0]), BANYAN_ERR_INVALID_ARGUMENT);
  EXPECT_THAT(text_of(outcomes[0]), HasSubstr("no listening socket for the unique id"));
}

TEST(UniqueId, ListenerOfAnIdThatExpiredIsClosed) {
  const UniqueId id = create_unique_id("lo", Deadline::in(0.01));
  const auto refused = [&] {
    int error = 0;
    const Fd fd = start_connect(id.root, std::nullopt, error);
    pollfd one = {.fd = fd.get(), .events = POLLOUT, .revents = 0};
    return error == ECONNREFUSED ||
           (error == 0 && poll_until({&one, 1}, Deadline::in(10)) > 0 && connect_error(fd.get()) == ECONNREFUSED);
  };
  const Deadline deadline = Deadline::in(60);
  while (!refused() && !deadline.passed()) {
    std::this_thread::yield();
  }
  EXPECT_TRUE(refused());
}

TEST(UniqueId, UnknownInterfaceIsRefusedWithTheOnesThereAre) {
  const auto outcomes = run_ranks(1, [](int) { static_cast<void>(create_unique_id("nosuch0", Deadline::in(1))); });
  EXPECT_EQ(status_of(outcomes[0]), BANYAN_ERR_NOT_FOUND);
  EXPECT_THAT(text_of(outcomes[0]), HasSubstr("it has: "));
  EXPECT_THAT(text_of(outcomes[0]), HasSubstr("lo"));
}

TEST(Interface, FirstNameOfTheListThatIsUpIsUsed) {
  EXPECT_EQ(interface_address("nosuch0, lo").ip(), "127.0.0.1");
  EXPECT_EQ(interface_address("127.0.0.1").ip(), "127.0.0.1");
}

TEST(Interface, LoopbackIsLocalAndADocumentationAddressIsNot) {
  EXPECT_TRUE(is_local(SocketAddress::from_ip("127.0.0.1", 1).value()));
  EXPECT_FALSE(is_local(SocketAddress::from_ip("203.0.113.77", 1).value()));
}

TEST(SocketAddress, TextsOfBothFamilies) {
  EXPECT_EQ(SocketAddress::from_ip("10.0.0.1", 80).value().text(), "10.0.0.1:80");
  EXPECT_EQ(SocketAddress::from_ip("fd00::1", 80).value().text(), "[fd00::1]:80");
  EXPECT_FALSE(SocketAddress::from_ip("host", 80));
}

TEST(Resolve, UnknownHostIsNotFoundByName) {
  const auto outcomes = run_ranks(1, [](int) { static_cast<void>(resolve("no such host", 1)); });
  EXPECT_EQ(status_of(outcomes[0]), BANYAN_ERR_NOT_FOUND);
  EXPECT_THAT(text_of(outcomes[0]), HasSubstr("no such host"));
}

TEST(Secret, HexIsReadAndAnythingElseRefusedWithoutShowingIt) {
  const std::string good(64, 'a');
  EXPECT_EQ(Secret::from_hex(good + "\n", "file").bytes()[0], 0xaa);
  for (const std::string& bad : {std::string(63, 'a'), std::string(65, 'a'), std::string(64, 'g'), std::string()}) {
    const auto outcomes = run_ranks(1, [&](int) { static_cast<void>(Secret::from_hex(bad, "the file")); });
    EXPECT_EQ(status_of(outcomes[0]), BANYAN_ERR_AUTH);
    EXPECT_THAT(text_of(outcomes[0]), HasSubstr("the file"));
    EXPECT_TRUE(bad.empty() || text_of(outcomes[0]).find(bad) == std::string::npos);
  }
}

}  // namespace
}  // namespace banyan::bootstrap
