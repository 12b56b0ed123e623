// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "bootstrap/star.hpp"

namespace banyan::bootstrap {
namespace {

constexpr double kCandidateLimitS = 2.0;  // when several addresses may be the root's, none may hold us longer
constexpr int kFirstPauseMs = 5;
constexpr int kLastPauseMs = 200;

/// A rank on its way to the root.
class Joiner {
 public:
  Joiner(const std::vector<SocketAddress>& roots, const StarTicket& ticket, const std::optional<SocketAddress>& from,
         Deadline deadline)
      : roots_(roots), ticket_(ticket), from_(from), total_s_(deadline.total_s()), deadline_(deadline) {}

  Channel run() {
    int pause_ms = kFirstPauseMs;
    while (true) {
      for (const SocketAddress& root : roots_) {
        if (auto channel = attempt(root)) {
          wait_for_welcome(*channel, root);
          return std::move(*channel);
        }
        if (deadline_.passed()) {
          throw Error(last_status_,
                      fmt::format("rank {} of {} did not reach rank 0 for the {} within {}: {}", ticket_.rank,
                                  ticket_.size, ticket_.purpose, name_seconds(total_s_), last_text_));
        }
      }
      poll_until({}, deadline_, pause_ms);
      pause_ms = std::min(2 * pause_ms, kLastPauseMs);
    }
  }

 private:
  /// An authenticated channel, or nullopt with the reason noted when another attempt may succeed.
  std::optional<Channel> attempt(const SocketAddress& root) {
    const Deadline limit = roots_.size() == 1 ? deadline_ : earlier(deadline_, Deadline::in(kCandidateLimitS));
    int error = 0;
    Fd fd = start_connect(root, from_, error);
    if (error == 0) {
      error = wait(fd.get(), POLLOUT, limit) ? connect_error(fd.get()) : ETIMEDOUT;
    }
    if (error != 0) {
      return note(BANYAN_ERR_TIMEOUT, root.text() + ": " + errno_text(error));
    }
    set_connection_options(fd.get(), ticket_.silence_s);
    const Claim claim = {.rank = static_cast<uint32_t>(ticket_.rank),
                         .size = static_cast<uint32_t>(ticket_.size),
                         .patience_ms = static_cast<uint32_t>(deadline_.remaining_ms())};
    RankHandshake handshake(ticket_.secret, ticket_.job_id, claim);
    std::array<unsigned char, kChallengeBytes> challenge;
    if (!send_all(fd.get(), handshake.hello(), limit) || !receive_all(fd.get(), challenge, limit)) {
      return note(BANYAN_ERR_TIMEOUT, root.text() + (limit.passed() ? " accepted the connection but did not answer"
                                                                    : " closed the connection in the handshake"));
    }
    const auto proof = handshake.answer(challenge);
    if (!proof) {
      return refuse(fd.get(), root, limit);
    }
    if (!send_all(fd.get(), *proof, limit)) {
      return note(BANYAN_ERR_TIMEOUT, root.text() + " closed the connection in the handshake");
    }
    return Channel(std::move(fd), handshake.keys(), Channel::Side::kRank, 0);
  }

  /// Who listens there does not know our secret. An empty proof tells an honest root that we do not know its secret.
  std::optional<Channel> refuse(int fd, const SocketAddress& root, Deadline limit) {
    send_all(fd, std::array<unsigned char, kProofBytes>{}, limit);
    const std::string text = "the process at " + root.text() + " does not know this rank's job secret";
    if (roots_.size() == 1) {
      throw Error(BANYAN_ERR_AUTH,
                  fmt::format("rank {} of {}: {}; all ranks need the same one", ticket_.rank, ticket_.size, text));
    }
    return note(BANYAN_ERR_AUTH, text);
  }

  void wait_for_welcome(Channel& channel, const SocketAddress& root) {
    while (true) {
      if (const auto frame = channel.next()) {
        if (frame->type == static_cast<uint16_t>(StarFrame::kWelcome)) {
          return;
        }
        throw read_failure(frame->payload);
      }
      if (!wait(channel.fd(), POLLIN, deadline_)) {
        throw Error(BANYAN_ERR_TIMEOUT,
                    fmt::format("rank {} of {} joined the {} of rank 0 at {}, but within {} not all other ranks did",
                                ticket_.rank, ticket_.size, ticket_.purpose, root.text(), name_seconds(total_s_)));
      }
      if (channel.receive() == IoResult::kClosed) {
        throw Error(BANYAN_ERR_PEER_FAILED,
                    fmt::format("rank 0 at {} ended or gave up while the {} was being set up (seen by rank {})",
                                root.text(), ticket_.purpose, ticket_.rank));
      }
    }
  }

  std::optional<Channel> note(banyan_status status, std::string text) {
    last_status_ = status;
    last_text_ = std::move(text);
    return std::nullopt;
  }

  static bool wait(int fd, short events, Deadline limit) {
    pollfd one = {.fd = fd, .events = events, .revents = 0};
    return poll_until({&one, 1}, limit) > 0;
  }

  static bool send_all(int fd, Bytes bytes, Deadline limit) {
    size_t sent = 0;
    IoResult result = send_some(fd, bytes, sent);
    while (result == IoResult::kBlocked && wait(fd, POLLOUT, limit)) {
      result = send_some(fd, bytes, sent);
    }
    return result == IoResult::kDone;
  }

  static bool receive_all(int fd, std::span<unsigned char> bytes, Deadline limit) {
    size_t received = 0;
    while (received < bytes.size()) {
      if (!wait(fd, POLLIN, limit)) {
        return false;
      }
      if (receive_some(fd, bytes.subspan(received), received) == IoResult::kClosed) {
        return false;
      }
    }
    return true;
  }

  const std::vector<SocketAddress>& roots_;
  const StarTicket& ticket_;
  const std::optional<SocketAddress>& from_;
  double total_s_;
  Deadline deadline_;
  banyan_status last_status_ = BANYAN_ERR_TIMEOUT;
  std::string last_text_ = "no attempt was made";
};

}  // namespace

Channel join_star(const std::vector<SocketAddress>& roots, const StarTicket& ticket,
                  const std::optional<SocketAddress>& from, Deadline deadline) {
  BANYAN_CHECK(!roots.empty(), "no address of the root");
  return Joiner(roots, ticket, from, deadline).run();
}

}  // namespace banyan::bootstrap
