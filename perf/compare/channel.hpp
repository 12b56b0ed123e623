// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "common/environment.hpp"

namespace banyan::perf {

/// An open file descriptor; the owner closes it.
class Descriptor {
 public:
  explicit Descriptor(int number) noexcept : number_(number) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor& operator=(Descriptor&&) = delete;
  [[nodiscard]] int get() const noexcept { return number_; }

 private:
  int number_;
};

/// One end of a connection between two programs of one host, which carries JSON values. Whoever waits is asleep in the
/// kernel, so that a waiting program leaves its core to the other. One thread.
class Channel {
 public:
  explicit Channel(Descriptor socket) noexcept : socket_(std::move(socket)) {}

  /// Failure: the other end is gone.
  void send(const Json& message);
  /// nullopt: the other end closed between messages. Failure: it closed amid one, sent no JSON, or was silent for
  /// longer than `patience_s` (negative: no limit).
  [[nodiscard]] std::optional<Json> receive(double patience_s);

 private:
  /// False: closed before the first byte.
  bool read_all(char* data, size_t size, double patience_s);

  Descriptor socket_;
};

/// Waits for programs at a Unix socket of the file system, which is removed in the end.
class Listener {
 public:
  /// Failure names the path and the cause.
  explicit Listener(std::string path);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// Blocks until one connects.
  [[nodiscard]] Channel accept();

 private:
  std::string path_;
  Descriptor socket_;
};

/// Failure names the path and the cause; nobody listening is one.
[[nodiscard]] Channel connect_to(const std::string& path);

/// Where a rank of mpich_compare listens, in the folder that both programs are given.
[[nodiscard]] std::string socket_path(const std::string& folder, int rank);

}  // namespace banyan::perf
