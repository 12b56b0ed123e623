// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/tcp_control.hpp"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.hpp"
#include "bootstrap/quiet_thread.hpp"

namespace banyan::bootstrap {
namespace {

constexpr double kTickS = 0.5;
constexpr double kFirstTicksS = 0.1;  // so that ranks with short deadlines hear something
constexpr int kFirstTicks = 3;
constexpr double kGoodbyeLimitS = 1.0;  // for the last frames to go out and the other side to close

}  // namespace

TcpControl::TcpControl(StarChannels channels, int rank, int size)
    : rank_(rank), size_(size), process_(::getpid()), stalls_(size), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!wake_) {
    throw Error(BANYAN_ERR_NO_MEMORY, "cannot create an eventfd: " + errno_text(errno));
  }
  for (auto& channel : channels) {
    std::optional<Link> link;
    if (channel) {
      const int fd = channel->fd();
      link.emplace(Link{.channel = std::move(*channel), .guard = ForkGuard(fd)});
    }
    links_.push_back(std::move(link));
  }
  thread_ = start_quiet_thread([this] { run(); });
}

TcpControl::~TcpControl() { end(Phase::kGivingUp); }

void TcpControl::leave() noexcept { end(Phase::kLeaving); }

void TcpControl::end(Phase phase) noexcept {
  if (!thread_.joinable()) {
    return;
  }
  if (::getpid() != process_) {  // a forked child: it has neither the thread nor the connections
    thread_.detach();
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    phase_ = phase;
  }
  wake();
  thread_.join();
}

void TcpControl::abort(banyan_status status, std::string text) {
  const std::lock_guard lock(mutex_);
  raise_everywhere({.status = status, .text = std::move(text)}, rank_);
  wake();
}

void TcpControl::raise_everywhere(const AbortCause& cause, int origin) {
  if (!state_.raise(cause.status, cause.text)) {
    return;
  }
  BANYAN_LOG(kInfo, "control", "rank {}: {}", rank_, cause.text);
  const auto payload = write_abort(cause);
  for (int rank = 0; rank < static_cast<int>(links_.size()); ++rank) {
    if (rank != origin) {
      send(rank, ControlFrame::kAbort, payload);
    }
  }
}

void TcpControl::send(int rank, ControlFrame type, Bytes payload) {
  auto& link = links_[static_cast<size_t>(rank)];
  if (!link) {
    return;
  }
  link->channel.queue(static_cast<uint16_t>(type), payload);
  // A broken connection shows in the thread's poll, and so does room for what did not fit.
  static_cast<void>(link->channel.flush());
}

void TcpControl::wake() noexcept {
  const uint64_t one = 1;
  static_cast<void>(!::write(wake_.get(), &one, sizeof one));
}

void TcpControl::report_stall(OperationReport report) {
  const std::lock_guard lock(mutex_);
  if (is_root()) {
    judge(rank_, std::move(report));
  } else {
    send(0, ControlFrame::kStall, write_report(report));
  }
  wake();
}

std::string TcpControl::diagnosis() const {
  const std::lock_guard lock(mutex_);
  return is_root() ? stalls_.diagnosis() : diagnosis_;
}

void TcpControl::run() noexcept {
  try {
    watch();
  } catch (const std::exception& error) {
    state_.raise(BANYAN_ERR_INTERNAL, std::string("the control plane failed: ") + error.what());
  }
}

void TcpControl::watch() {
  std::vector<pollfd> fds;
  while (true) {
    wait_for_events(fds);
    const std::lock_guard lock(mutex_);
    for (size_t rank = 0; rank < links_.size(); ++rank) {
      if (fds[rank].revents != 0) {
        serve(static_cast<int>(rank));
      }
    }
    if (phase_ != Phase::kMember) {
      finish_links();
      return;
    }
    if (is_root() && stalls_.any_standing()) {
      if (next_tick_.passed()) {
        tick();
      }
    } else {
      ticks_ = 0;
    }
  }
}

void TcpControl::wait_for_events(std::vector<pollfd>& fds) {
  fds.clear();
  int limit_ms = 1000000000;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& link : links_) {
      const bool sends = link && link->channel.has_output();
      fds.push_back({.fd = link ? link->channel.fd() : -1,
                     .events = static_cast<short>(sends ? POLLIN | POLLOUT : POLLIN),
                     .revents = 0});
    }
    if (is_root() && stalls_.any_standing()) {
      limit_ms = next_tick_.remaining_ms();
    }
  }
  fds.push_back({.fd = wake_.get(), .events = POLLIN, .revents = 0});
  poll_until(fds, Deadline::in(1e9), limit_ms);
  uint64_t drained = 0;
  static_cast<void>(!::read(wake_.get(), &drained, sizeof drained));
}

void TcpControl::serve(int rank) {
  auto& link = links_[static_cast<size_t>(rank)];
  try {
    while (link) {
      static_cast<void>(link->channel.flush());
      const IoResult result = link->channel.receive();
      while (link) {
        const auto frame = link->channel.next();
        if (!frame) {
          break;
        }
        handle(rank, *frame);
      }
      if (result == IoResult::kClosed && link) {
        lost(rank);
      }
      if (result != IoResult::kDone) {
        return;
      }
    }
  } catch (const Error& error) {  // a peer that is no longer to be believed
    link.reset();
    raise_everywhere({.status = error.status(), .text = error.what()}, rank);
  }
}

void TcpControl::handle(int rank, const Frame& frame) {
  const auto type = static_cast<ControlFrame>(frame.type);
  if (type == ControlFrame::kAbort) {
    if (const auto cause = read_abort(frame.payload)) {
      raise_everywhere(*cause, rank);
    }
  } else if (type == ControlFrame::kLeave) {
    stalls_.left(rank);
    links_[static_cast<size_t>(rank)].reset();
  } else if (type == ControlFrame::kStall && is_root()) {
    handle_report(rank, frame);
  } else if (type == ControlFrame::kProgress && is_root()) {
    handle_progress(rank, frame);
  } else if (type == ControlFrame::kProbe && !is_root()) {
    send(rank, ControlFrame::kProgress, WireWriter().u64(started()).u64(finished()).result());
  } else if (type == ControlFrame::kDiagnosis && !is_root()) {
    diagnosis_ = WireReader(frame.payload).text();
  } else {
    throw Error(BANYAN_ERR_FORMAT,
                fmt::format("rank {} sent a control message of type {}, which rank {} does not expect", rank,
                            frame.type, rank_));
  }
}

void TcpControl::handle_report(int rank, const Frame& frame) {
  auto report = read_report(frame.payload);
  if (!report) {
    throw Error(BANYAN_ERR_FORMAT, fmt::format("rank {} sent a stall report that does not parse", rank));
  }
  BANYAN_LOG(kDebug, "control", "rank {} waits in {}", rank, name_operation(*report));
  judge(rank, std::move(*report));
}

void TcpControl::handle_progress(int rank, const Frame& frame) {
  WireReader reader(frame.payload);
  const uint64_t started = reader.u64();
  const uint64_t finished = reader.u64();
  if (!reader.complete()) {
    throw Error(BANYAN_ERR_FORMAT, fmt::format("rank {} sent a progress message that does not parse", rank));
  }
  stalls_.progress(rank, started, finished);
}

void TcpControl::lost(int rank) {
  links_[static_cast<size_t>(rank)].reset();
  if (phase_ == Phase::kMember) {
    raise_everywhere(
        {.status = BANYAN_ERR_PEER_FAILED,
         .text = fmt::format("rank {} of {} failed: its process ended without leaving the communicator, gave "
                             "up after an error, or cannot be reached (seen by rank {})",
                             rank, size_, rank_)},
        rank);
  }
}

void TcpControl::judge(int rank, OperationReport report) {
  stalls_.progress(rank_, started(), finished());
  auto text = stalls_.report(rank, std::move(report));
  if (!text) {
    text = stalls_.disagreement();
  }
  if (text) {
    raise_everywhere({.status = BANYAN_ERR_MISMATCH, .text = *text}, rank_);
  }
}

/// Again and again while a report stands: tells what is known, and asks how far the ranks are.
void TcpControl::tick() {
  stalls_.progress(rank_, started(), finished());
  tell_diagnosis();
  for (int rank = 1; rank < size_; ++rank) {
    if (links_[static_cast<size_t>(rank)]) {
      stalls_.asked(rank);
      send(rank, ControlFrame::kProbe, {});
    }
  }
  next_tick_ = Deadline::in(++ticks_ < kFirstTicks ? kFirstTicksS : kTickS);
}

void TcpControl::tell_diagnosis() {
  std::string text = stalls_.diagnosis();
  if (text == diagnosis_) {
    return;
  }
  diagnosis_ = std::move(text);
  WireWriter writer;
  writer.text(diagnosis_, kMaxCauseBytes);
  for (int rank = 1; rank < size_; ++rank) {
    if (stalls_.standing(rank)) {
      send(rank, ControlFrame::kDiagnosis, writer.result());
    }
  }
}

/// Says goodbye unless giving up, and closes. Waits for the other side to close first: closing with unread bytes would
/// make the kernel drop the goodbye.
void TcpControl::finish_links() {
  for (int rank = 0; rank < static_cast<int>(links_.size()); ++rank) {
    if (phase_ == Phase::kLeaving) {
      send(rank, ControlFrame::kLeave, {});
    }
  }
  const Deadline limit = Deadline::in(kGoodbyeLimitS);
  for (auto& link : links_) {
    if (link && link->channel.flush_until(limit)) {
      ::shutdown(link->channel.fd(), SHUT_WR);
    }
  }
  std::array<unsigned char, 4096> unread;
  for (auto& link : links_) {
    while (link && phase_ == Phase::kLeaving) {
      pollfd one = {.fd = link->channel.fd(), .events = POLLIN, .revents = 0};
      size_t count = 0;
      if (poll_until({&one, 1}, limit) == 0 || receive_some(one.fd, unread, count) == IoResult::kClosed) {
        break;
      }
    }
    link.reset();
  }
}

}  // namespace banyan::bootstrap
