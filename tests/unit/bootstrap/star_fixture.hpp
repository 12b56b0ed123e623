// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <thread>

#include "bootstrap/star.hpp"
#include "threads.hpp"

namespace banyan::bootstrap::testing {

inline constexpr double kGenerous = 60;

inline size_t open_descriptors() {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

/// A rendezvous of threads, and strangers beside it.
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

}  // namespace banyan::bootstrap::testing
