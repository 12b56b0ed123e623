// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "bootstrap/control.hpp"
#include "bootstrap/control_frames.hpp"
#include "bootstrap/fork_guard.hpp"
#include "bootstrap/stall_table.hpp"
#include "bootstrap/star.hpp"

namespace banyan::bootstrap {

/// The control plane over the channels of a star; see make_tcp_control. A thread sleeps in poll() on the channels and
/// an eventfd; only this thread closes channels.
class TcpControl final : public Control {
 public:
  /// Rank 0 has a channel to every rank, the others have one at [0].
  TcpControl(StarChannels channels, int rank, int size);
  ~TcpControl() override;

  [[nodiscard]] AbortState& state() noexcept override { return state_; }
  void abort(banyan_status status, std::string text) override;
  void report_stall(OperationReport report) override;
  void leave() noexcept override;
  [[nodiscard]] std::string diagnosis() const override;

 private:
  struct Link {
    Channel channel;
    ForkGuard guard;
  };
  enum class Phase { kMember, kLeaving, kGivingUp };

  void run() noexcept;
  void watch();
  void wait_for_events(std::vector<pollfd>& fds);
  void serve(int rank);
  void handle(int rank, const Frame& frame);
  void handle_report(int rank, const Frame& frame);
  void handle_progress(int rank, const Frame& frame);
  void lost(int rank);
  void raise_everywhere(const AbortCause& cause, int origin);
  void send(int rank, ControlFrame type, Bytes payload);
  void judge(int rank, OperationReport report);
  void tick();
  void tell_diagnosis();
  void end(Phase phase) noexcept;
  void finish_links();
  void wake() noexcept;
  [[nodiscard]] bool is_root() const noexcept { return rank_ == 0; }

  const int rank_;
  const int size_;
  const pid_t process_;
  AbortState state_;
  mutable std::mutex mutex_;  // guards everything below but thread_
  std::vector<std::optional<Link>> links_;
  StallTable stalls_;
  std::string diagnosis_;  // the root's last word
  Deadline next_tick_ = Deadline::in(0);
  int ticks_ = 0;  // while reports stand
  Phase phase_ = Phase::kMember;
  Fd wake_;  // eventfd
  std::thread thread_;
};

}  // namespace banyan::bootstrap
