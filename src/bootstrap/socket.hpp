// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/deadline.hpp"
#include "base/fd.hpp"

/// TCP sockets of the bootstrap and the control plane: non-blocking, CLOEXEC, never SIGPIPE, EINTR-safe. Any thread.
namespace banyan::bootstrap {

/// An IPv4 or IPv6 address with a port. A value.
class SocketAddress {
 public:
  SocketAddress() noexcept = default;
  SocketAddress(const sockaddr* address, socklen_t length) noexcept;

  /// nullopt unless `ip` is a numeric address.
  [[nodiscard]] static std::optional<SocketAddress> from_ip(const std::string& ip, uint16_t port);

  [[nodiscard]] const sockaddr* data() const noexcept { return reinterpret_cast<const sockaddr*>(&storage_); }
  [[nodiscard]] socklen_t length() const noexcept { return length_; }
  [[nodiscard]] int family() const noexcept { return storage_.ss_family; }
  [[nodiscard]] uint16_t port() const noexcept;
  [[nodiscard]] SocketAddress with_port(uint16_t port) const noexcept;
  [[nodiscard]] bool is_loopback() const noexcept;
  [[nodiscard]] std::string ip() const;
  /// "10.0.0.1:4711" or "[fd00::1]:4711".
  [[nodiscard]] std::string text() const;

 private:
  sockaddr_storage storage_{};
  socklen_t length_ = 0;
};

/// The addresses of a host name or numeric address. May block in the system's resolver. Error{NOT_FOUND}.
[[nodiscard]] std::vector<SocketAddress> resolve(const std::string& host, uint16_t port);

/// The address of the first interface in the comma list `names` that is up (IPv4 before IPv6); a name may also be a
/// numeric address of this host. Error{NOT_FOUND} that lists the interfaces there are.
[[nodiscard]] SocketAddress interface_address(const std::string& names);

/// The address to use when nobody chose: of the interface with the default route, else the first one up, else loopback.
[[nodiscard]] SocketAddress default_address();

/// Whether this host has the address.
[[nodiscard]] bool is_local(const SocketAddress& address);

/// Listens on exactly this address; port 0 picks one. Error{IO} with errno.
[[nodiscard]] Fd listen_on(const SocketAddress& address);
/// The same; no fd and errno in `error` when the address cannot be had.
[[nodiscard]] Fd try_listen_on(const SocketAddress& address, int& error);
[[nodiscard]] SocketAddress local_address(int fd);
[[nodiscard]] SocketAddress peer_address(int fd);

/// The next connection of a listening socket, or no fd when there is none (errors of a single connection are skipped).
[[nodiscard]] Fd accept_connection(int listener) noexcept;

/// Begins to connect, from the address `from` unless the target is loopback. `error` is 0 when the attempt is under
/// way: it has ended when POLLOUT shows, then connect_error() tells. Error{NO_MEMORY, IO} when there is no socket.
[[nodiscard]] Fd start_connect(const SocketAddress& to, const std::optional<SocketAddress>& from, int& error);
/// 0, or the errno with which the connection attempt failed.
[[nodiscard]] int connect_error(int fd) noexcept;

/// No delay, and a connection over which nothing comes for about `silence_s` (4 to 600) breaks, also an idle one.
void set_connection_options(int fd, double silence_s) noexcept;

enum class IoResult { kDone, kBlocked, kClosed };

/// Sends from the front of `bytes` what fits; `sent` counts. kDone: all of it. kClosed: the connection broke.
[[nodiscard]] IoResult send_some(int fd, std::span<const unsigned char> bytes, size_t& sent) noexcept;
/// Receives at most `bytes.size()`; `received` counts. kDone: at least one byte.
[[nodiscard]] IoResult receive_some(int fd, std::span<unsigned char> bytes, size_t& received) noexcept;

/// poll() until an event, the deadline or `limit_ms`; restarts after signals. Returns the number of ready descriptors.
int poll_until(std::span<pollfd> fds, Deadline deadline, int limit_ms = 1000000000);

/// errno's text.
[[nodiscard]] std::string errno_text(int error);

}  // namespace banyan::bootstrap
