// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/socket.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/error.hpp"

namespace banyan::bootstrap {
namespace {

constexpr int kBacklog = 4096;  // the kernel caps it at net.core.somaxconn

void set_int(int fd, int level, int name, int value) noexcept { ::setsockopt(fd, level, name, &value, sizeof value); }

[[noreturn]] void throw_errno(const std::string& what, int error) {
  throw Error(
      error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM ? BANYAN_ERR_NO_MEMORY : BANYAN_ERR_IO,
      what + ": " + errno_text(error));
}

Fd make_socket(int family) {
  Fd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) {
    throw_errno("cannot create a TCP socket", errno);
  }
  return fd;
}

}  // namespace

std::string errno_text(int error) { return std::generic_category().message(error); }

SocketAddress::SocketAddress(const sockaddr* address, socklen_t length) noexcept
    : length_(std::min<socklen_t>(length, sizeof storage_)) {
  std::memcpy(&storage_, address, length_);
}

std::optional<SocketAddress> SocketAddress::from_ip(const std::string& ip, uint16_t port) {
  sockaddr_in v4{};
  if (::inet_pton(AF_INET, ip.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    return SocketAddress(reinterpret_cast<const sockaddr*>(&v4), sizeof v4).with_port(port);
  }
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET6, ip.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    return SocketAddress(reinterpret_cast<const sockaddr*>(&v6), sizeof v6).with_port(port);
  }
  return std::nullopt;
}

uint16_t SocketAddress::port() const noexcept {
  return family() == AF_INET6 ? ntohs(reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_port)
                              : ntohs(reinterpret_cast<const sockaddr_in*>(&storage_)->sin_port);
}

SocketAddress SocketAddress::with_port(uint16_t port) const noexcept {
  SocketAddress copy = *this;
  if (family() == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(&copy.storage_)->sin6_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in*>(&copy.storage_)->sin_port = htons(port);
  }
  return copy;
}

bool SocketAddress::is_loopback() const noexcept {
  if (family() == AF_INET6) {
    return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_addr) != 0;
  }
  return (ntohl(reinterpret_cast<const sockaddr_in*>(&storage_)->sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
}

std::string SocketAddress::ip() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* address = family() == AF_INET6
                            ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_addr)
                            : &reinterpret_cast<const sockaddr_in*>(&storage_)->sin_addr;
  return ::inet_ntop(family(), address, text.data(), text.size()) != nullptr ? text.data() : "?";
}

std::string SocketAddress::text() const {
  return (family() == AF_INET6 ? "[" + ip() + "]" : ip()) + ":" + std::to_string(port());
}

std::vector<SocketAddress> resolve(const std::string& host, uint16_t port) {
  if (const auto numeric = SocketAddress::from_ip(host, port)) {
    return {*numeric};
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (code != 0) {
    throw Error(BANYAN_ERR_NOT_FOUND, "cannot resolve host \"" + host + "\": " + ::gai_strerror(code));
  }
  std::vector<SocketAddress> addresses;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    if (entry->ai_family == AF_INET || entry->ai_family == AF_INET6) {
      addresses.push_back(SocketAddress(entry->ai_addr, entry->ai_addrlen).with_port(port));
    }
  }
  ::freeaddrinfo(found);
  return addresses;
}

Fd try_listen_on(const SocketAddress& address, int& error) {
  Fd fd = make_socket(address.family());
  set_int(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);  // a port in TIME_WAIT, or one that banyan-run reserved
  if (address.family() == AF_INET6) {
    set_int(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  }
  if (::bind(fd.get(), address.data(), address.length()) != 0 || ::listen(fd.get(), kBacklog) != 0) {
    error = errno;
    return {};
  }
  return fd;
}

Fd listen_on(const SocketAddress& address) {
  int error = 0;
  Fd fd = try_listen_on(address, error);
  if (!fd) {
    throw_errno("cannot listen on " + address.text(), error);
  }
  return fd;
}

SocketAddress local_address(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length);
  return {reinterpret_cast<const sockaddr*>(&storage), length};
}

SocketAddress peer_address(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  ::getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &length);
  return {reinterpret_cast<const sockaddr*>(&storage), length};
}

Fd accept_connection(int listener) noexcept {
  while (true) {
    Fd fd(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd || (errno != EINTR && errno != ECONNABORTED)) {
      return fd;
    }
  }
}

Fd start_connect(const SocketAddress& to, const std::optional<SocketAddress>& from, int& error) {
  Fd fd = make_socket(to.family());
  error = 0;
  if (from && from->family() == to.family() && !to.is_loopback()) {
    set_int(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    if (::bind(fd.get(), from->data(), from->length()) != 0) {
      error = errno;
      return fd;
    }
  }
  if (::connect(fd.get(), to.data(), to.length()) != 0 && errno != EINPROGRESS && errno != EINTR) {
    error = errno;
  }
  return fd;
}

int connect_error(int fd) noexcept {
  int error = 0;
  socklen_t length = sizeof error;
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

void set_connection_options(int fd, double silence_s) noexcept {
  // Keepalive finds a dead peer while the connection is idle, the user timeout while data waits for an acknowledgement.
  constexpr int kProbes = 3;
  constexpr double kLeastSilenceS = 4;
  constexpr double kMostSilenceS = 600;
  const double silence = std::clamp(silence_s, kLeastSilenceS, kMostSilenceS);
  const int interval_s = static_cast<int>(silence / (1 + kProbes));
  set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, interval_s);
  set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, interval_s);
  set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, kProbes);
  set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(silence * 1000));
}

IoResult send_some(int fd, std::span<const unsigned char> bytes, size_t& sent) noexcept {
  while (sent < bytes.size()) {
    const ssize_t count = ::send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) {
      sent += static_cast<size_t>(count);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return IoResult::kBlocked;
    } else if (errno != EINTR) {
      return IoResult::kClosed;
    }
  }
  return IoResult::kDone;
}

IoResult receive_some(int fd, std::span<unsigned char> bytes, size_t& received) noexcept {
  while (true) {
    const ssize_t count = ::recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (count > 0) {
      received += static_cast<size_t>(count);
      return IoResult::kDone;
    }
    if (count == 0) {
      return IoResult::kClosed;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return IoResult::kBlocked;
    }
    if (errno != EINTR) {
      return IoResult::kClosed;
    }
  }
}

int poll_until(std::span<pollfd> fds, Deadline deadline, int limit_ms) {
  while (true) {
    const int ready = ::poll(fds.data(), fds.size(), std::min(deadline.remaining_ms(), limit_ms));
    if (ready >= 0 || errno != EINTR) {
      if (ready < 0) {
        throw_errno("poll failed", errno);
      }
      return ready;
    }
    if (deadline.passed()) {
      return 0;
    }
  }
}

}  // namespace banyan::bootstrap
