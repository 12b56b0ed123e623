// SPDX-License-Identifier: Apache-2.0
#include "compare/channel.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "common/failure.hpp"

namespace banyan::perf {
namespace {

constexpr uint64_t kMaxMessageBytes = uint64_t{64} << 20;

[[noreturn]] void fail(const std::string& what) { throw Failure(what + ": " + std::strerror(errno)); }

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    throw Failure("the path of the socket " + path + " is longer than " + std::to_string(sizeof address.sun_path - 1) +
                  " bytes: give a shorter folder");
  }
  std::copy(path.begin(), path.end(), std::begin(address.sun_path));
  return address;
}

int new_socket() {
  const int number = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (number < 0) {
    fail("socket");
  }
  return number;
}

void wait_readable(int socket, double patience_s) {
  pollfd entry{socket, POLLIN, 0};
  const int patience_ms = patience_s < 0 ? -1 : static_cast<int>(std::min(patience_s, 1e6) * 1e3);
  int ready = 0;
  do {
    ready = ::poll(&entry, 1, patience_ms);
  } while (ready < 0 && errno == EINTR);
  if (ready < 0) {
    fail("poll");
  }
  if (ready == 0) {
    throw Failure("no answer for " + std::to_string(static_cast<int>(patience_s)) + " s");
  }
}

}  // namespace

Descriptor::~Descriptor() {
  if (number_ >= 0) {
    ::close(number_);
  }
}

void Channel::send(const Json& message) {
  const std::string text = message.dump();
  const uint64_t size = text.size();
  std::string frame(sizeof size, '\0');
  std::memcpy(frame.data(), &size, sizeof size);
  frame += text;
  for (size_t done = 0; done < frame.size();) {
    const ssize_t sent = ::send(socket_.get(), frame.data() + done, frame.size() - done, MSG_NOSIGNAL);
    if (sent < 0 && errno != EINTR) {
      fail("the other program is gone");
    }
    done += sent > 0 ? static_cast<size_t>(sent) : 0;
  }
}

bool Channel::read_all(char* data, size_t size, double patience_s) {
  for (size_t done = 0; done < size;) {
    wait_readable(socket_.get(), patience_s);
    const ssize_t got = ::recv(socket_.get(), data + done, size - done, 0);
    if (got < 0 && errno != EINTR) {
      fail("the other program is gone");
    }
    if (got == 0 && done == 0) {
      return false;
    }
    if (got == 0) {
      throw Failure("the other program ended amid a message");
    }
    done += got > 0 ? static_cast<size_t>(got) : 0;
  }
  return true;
}

std::optional<Json> Channel::receive(double patience_s) {
  uint64_t size = 0;
  std::array<char, sizeof size> head{};
  if (!read_all(head.data(), head.size(), patience_s)) {
    return std::nullopt;
  }
  std::memcpy(&size, head.data(), sizeof size);
  if (size == 0 || size > kMaxMessageBytes) {
    throw Failure("a message of " + std::to_string(size) + " bytes is none of ours");
  }
  std::string text(size, '\0');
  if (!read_all(text.data(), text.size(), patience_s)) {
    throw Failure("the other program ended amid a message");
  }
  Json message = Json::parse(text, nullptr, false);
  if (message.is_discarded()) {
    throw Failure("a message is no JSON: " + text.substr(0, 40));
  }
  return message;
}

Listener::Listener(std::string path) : path_(std::move(path)), socket_(new_socket()) {
  const sockaddr_un address = address_of(path_);
  ::unlink(path_.c_str());
  if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fail("cannot make the socket " + path_);
  }
  if (::listen(socket_.get(), 1) != 0) {
    fail("cannot listen at " + path_);
  }
}

Listener::~Listener() { ::unlink(path_.c_str()); }

Channel Listener::accept() {
  int number = -1;
  do {
    number = ::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC);
  } while (number < 0 && errno == EINTR);
  if (number < 0) {
    fail("accept at " + path_);
  }
  return Channel(Descriptor(number));
}

Channel connect_to(const std::string& path) {
  const sockaddr_un address = address_of(path);
  Descriptor socket(new_socket());
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fail("cannot connect to " + path);
  }
  return Channel(std::move(socket));
}

std::string socket_path(const std::string& folder, int rank) { return folder + "/rank" + std::to_string(rank); }

}  // namespace banyan::perf
