// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <list>

#include "base/log.hpp"
#include "bootstrap/star.hpp"

namespace banyan::bootstrap {
namespace {

constexpr double kEvictAfterS = 0.5;   // a full table drops its oldest stranger only if it has been this slow
constexpr double kAcceptPauseS = 0.1;  // after accept ran out of descriptors
constexpr double kLingerS = 2.0;       // after a failure, for ranks that are still on their way to hear of it

/// A connection that has not proven anything yet: all the memory it may have.
struct Pending {
  Fd fd;
  RootHandshake handshake;
  Deadline cut = Deadline::in(kHandshakeLimitS);
  bool challenged = false;
  std::array<unsigned char, kHelloBytes> input{};
  size_t received = 0;
  std::array<unsigned char, kChallengeBytes> output{};
  size_t to_send = 0;
  size_t sent = 0;
};
static_assert(sizeof(Pending) <= kMaxPendingBytes);
static_assert(kProofBytes <= kHelloBytes);

/// Rank 0 while it waits for the others.
class Acceptor {
 public:
  Acceptor(Fd listener, const StarTicket& ticket, Deadline deadline)
      : listener_(std::move(listener)),
        ticket_(ticket),
        total_s_(deadline.total_s()),
        deadline_(answer_deadline(deadline)),
        channels_(static_cast<size_t>(ticket.size)),
        missing_(ticket.size - 1) {}

  StarChannels run() {
    try {
      while (missing_ > 0) {
        if (deadline_.passed()) {
          fail_missing();
        }
        wait_and_serve();
      }
      listener_.reset();
      pending_.clear();
      for (auto& channel : channels_) {
        if (channel) {
          channel->queue(static_cast<uint16_t>(StarFrame::kWelcome), {});
          channel->flush_until(Deadline::in(1.0));  // a rank that is gone shows in the first exchange
        }
      }
      return std::move(channels_);
    } catch (const Error& error) {
      tell_failure(channels_, error);
      linger(error);
      throw;
    }
  }

 private:
  /// Tells the failure to ranks that come a little later: else they would look for a root that is gone until their
  /// deadline, and never learn why.
  void linger(const Error& failure) {
    deadline_ = earlier(deadline_, Deadline::in(kLingerS));
    while (missing_ > 0 && !deadline_.passed()) {
      channels_.clear();
      channels_.resize(static_cast<size_t>(ticket_.size));
      try {
        wait_and_serve();
      } catch (const Error& error) {  // the first failure counts
        BANYAN_LOG(kDebug, "bootstrap", "after the failure: {}", error.what());
      }
      tell_failure(channels_, failure);
    }
  }

  enum class Progress { kWaiting, kProven, kDropped };

  void wait_and_serve() {
    const bool listens = may_accept();
    std::vector<pollfd> fds;
    fds.push_back({.fd = listens ? listener_.get() : -1, .events = POLLIN, .revents = 0});
    for (const Pending& one : pending_) {
      const bool sends = one.sent < one.to_send;
      fds.push_back({.fd = one.fd.get(), .events = static_cast<short>(sends ? POLLOUT : POLLIN), .revents = 0});
    }
    const size_t first_joined = fds.size();
    for (const auto& channel : channels_) {
      fds.push_back({.fd = channel ? channel->fd() : -1, .events = POLLIN, .revents = 0});
    }
    if (poll_until(fds, deadline_, wait_limit_ms(listens)) > 0) {
      check_joined({fds.data() + first_joined, channels_.size()});
      serve_pending({fds.data() + 1, first_joined - 1});
      if (fds[0].revents != 0) {
        accept_all();
      }
    }
    const size_t before = pending_.size();
    std::erase_if(pending_, [](const Pending& one) { return one.cut.passed(); });
    dropped_ += before - pending_.size();
  }

  [[nodiscard]] bool may_accept() const {
    const bool room = pending_.size() < kMaxPending || oldest_is_slow();
    return room && accept_again_.passed();
  }

  [[nodiscard]] bool oldest_is_slow() const {
    return pending_.front().cut.remaining_s() < kHandshakeLimitS - kEvictAfterS;
  }

  [[nodiscard]] int wait_limit_ms(bool listens) const {
    Deadline next = deadline_;
    if (!pending_.empty()) {
      next = earlier(next, pending_.front().cut);
    }
    return listens ? next.remaining_ms() : std::min(next.remaining_ms(), static_cast<int>(kAcceptPauseS * 1e3));
  }

  void accept_all() {
    while (may_accept()) {
      Fd fd = accept_connection(listener_.get());
      if (!fd) {
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
          accept_errno_ = errno;
          accept_again_ = Deadline::in(kAcceptPauseS);
        }
        return;
      }
      if (pending_.size() >= kMaxPending) {
        pending_.pop_front();
        ++dropped_;
      }
      pending_.push_back({.fd = std::move(fd), .handshake = RootHandshake(ticket_.secret, ticket_.job_id)});
    }
  }

  void serve_pending(std::span<const pollfd> events) {
    size_t index = 0;
    for (auto it = pending_.begin(); index < events.size();) {
      const Progress progress = events[index++].revents != 0 ? serve(*it) : Progress::kWaiting;
      if (progress == Progress::kWaiting) {
        ++it;
        continue;
      }
      Pending done = std::move(*it);
      it = pending_.erase(it);
      if (progress == Progress::kProven) {
        admit(std::move(done));
      } else {
        ++dropped_;
      }
    }
  }

  Progress serve(Pending& one) {
    if (one.sent < one.to_send) {
      const IoResult result = send_some(one.fd.get(), {one.output.data(), one.to_send}, one.sent);
      return result == IoResult::kClosed ? Progress::kDropped : Progress::kWaiting;
    }
    const size_t wanted = one.challenged ? kProofBytes : kHelloBytes;
    const auto space = std::span(one.input).first(wanted).subspan(one.received);
    const IoResult result = receive_some(one.fd.get(), space, one.received);
    if (result == IoResult::kClosed) {
      return Progress::kDropped;
    }
    return one.received < wanted ? Progress::kWaiting : advance(one, std::span(one.input).first(wanted));
  }

  Progress advance(Pending& one, Bytes message) {
    if (one.challenged) {
      if (!one.handshake.verify(message)) {
        const uint32_t rank = one.handshake.claim().rank;
        if (rank < channels_.size()) {
          unproven_.push_back(static_cast<int>(rank));
          unproven_.resize(std::min(unproven_.size(), kMaxPending));
        }
        return Progress::kDropped;
      }
      return Progress::kProven;
    }
    const auto challenge = one.handshake.challenge(message);
    if (!challenge) {
      return Progress::kDropped;
    }
    one.output = *challenge;
    one.to_send = challenge->size();
    one.challenged = true;
    one.received = 0;
    const IoResult sent = send_some(one.fd.get(), one.output, one.sent);
    return sent == IoResult::kClosed ? Progress::kDropped : Progress::kWaiting;
  }

  /// A process that knows the secret: from here on its mistakes fail the star, by name.
  void admit(Pending done) {
    const Claim claim = done.handshake.claim();
    const std::string from = peer_address(done.fd.get()).text();
    set_connection_options(done.fd.get(), ticket_.silence_s);
    const int rank = static_cast<int>(std::min<uint32_t>(claim.rank, INT32_MAX));
    Channel channel(std::move(done.fd), done.handshake.keys(), Channel::Side::kRoot, rank);
    const std::string mistake = find_mistake(claim, from);
    if (!mistake.empty()) {
      missing_ -= claim.rank > 0 && claim.rank < channels_.size() && !channels_[claim.rank] ? 1 : 0;
      channels_.emplace_back(std::move(channel));  // so that it is told as well
      throw Error(BANYAN_ERR_MISMATCH, mistake);
    }
    deadline_ = earlier(deadline_, answer_deadline(Deadline::in(claim.patience_ms * 1e-3)));
    BANYAN_LOG(kDebug, "bootstrap", "{}: rank {} of {} came from {}", ticket_.purpose, rank, ticket_.size, from);
    channels_[claim.rank].emplace(std::move(channel));
    --missing_;
  }

  [[nodiscard]] std::string find_mistake(const Claim& claim, const std::string& from) const {
    if (claim.version != kProtocolVersion) {
      return fmt::format(
          "rank {} at {} speaks version {} of Banyan's protocol, rank 0 speaks version {}: install the "
          "same Banyan on all hosts",
          claim.rank, from, claim.version, kProtocolVersion);
    }
    if (claim.size != channels_.size()) {
      return fmt::format("rank {} at {} says the job has {} ranks, rank 0 says {}", claim.rank, from, claim.size,
                         channels_.size());
    }
    if (claim.rank == 0 || claim.rank >= channels_.size()) {
      return fmt::format("a process at {} claims rank {} of {}; {}", from, static_cast<int32_t>(claim.rank),
                         channels_.size(), claim.rank == 0 ? "rank 0 is taken by the root" : "ranks begin at 0");
    }
    if (channels_[claim.rank]) {
      return fmt::format("rank {} came twice: from {} and from {}", claim.rank,
                         peer_address(channels_[claim.rank]->fd()).text(), from);
    }
    return {};
  }

  /// A rank that joined has nothing to say before the welcome: anything that shows is its end.
  void check_joined(std::span<const pollfd> events) {
    for (size_t rank = 0; rank < events.size(); ++rank) {
      if (events[rank].revents != 0) {
        const std::string from = peer_address(channels_[rank]->fd()).text();
        channels_[rank]->close();
        throw Error(BANYAN_ERR_PEER_FAILED,
                    fmt::format("rank {} at {} ended or gave up while {} of {} ranks were still to come to the {}",
                                rank, from, missing_, ticket_.size, ticket_.purpose));
      }
    }
  }

  [[noreturn]] void fail_missing() const {
    std::vector<int> absent;
    bool all_unproven = true;
    for (int rank = 1; rank < ticket_.size; ++rank) {
      if (!channels_[static_cast<size_t>(rank)]) {
        absent.push_back(rank);
        all_unproven = all_unproven && std::ranges::count(unproven_, rank) > 0;
      }
    }
    std::string text =
        fmt::format("{} of {} never came within {}; rank 0 waited for the {} at {}", name_ranks(absent), ticket_.size,
                    name_seconds(total_s_), ticket_.purpose, local_address(listener_.get()).text());
    if (!unproven_.empty()) {
      text += fmt::format("; a process that claimed rank {} did not know the job secret", unproven_.front());
    }
    if (dropped_ > unproven_.size()) {
      text += fmt::format("; {} connections of strangers were dropped", dropped_ - unproven_.size());
    }
    if (accept_errno_ != 0) {
      text += "; accepting connections failed: " + errno_text(accept_errno_);
    }
    text += ". Check that these ranks run and can reach this address";
    throw Error(all_unproven ? BANYAN_ERR_AUTH : BANYAN_ERR_TIMEOUT, text);
  }

  Fd listener_;
  const StarTicket& ticket_;
  double total_s_;
  Deadline deadline_;
  StarChannels channels_;
  int missing_;
  std::list<Pending> pending_;  // oldest first
  std::vector<int> unproven_;   // ranks claimed by processes that did not know the secret
  size_t dropped_ = 0;
  int accept_errno_ = 0;
  Deadline accept_again_ = Deadline::in(0);
};

}  // namespace

StarChannels accept_star(Fd listener, const StarTicket& ticket, Deadline deadline) {
  return Acceptor(std::move(listener), ticket, deadline).run();
}

}  // namespace banyan::bootstrap
