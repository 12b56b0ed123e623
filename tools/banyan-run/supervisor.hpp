// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "options.hpp"
#include "output.hpp"
#include "placement.hpp"

namespace banyan_run {

/// Starts the ranks of a job and stays until all have ended. One thread.
class Supervisor {
 public:
  Supervisor(const Options& options, const Job& job);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  /// The exit code of the job.
  [[nodiscard]] int run();

 private:
  using Clock = std::chrono::steady_clock;
  struct Process {
    pid_t pid = -1;
    bool running = false;
  };

  void start(const RankPlan& plan);
  [[noreturn]] void become(const RankPlan& plan, int out, int err) const;
  void take_signal();
  void collect_ended();
  void ended(int rank, bool by_signal, int value);
  void check_clock();
  void end_job(int code);
  void signal_all(int signal);
  void wait_for_events();
  [[nodiscard]] int wait_ms() const;
  [[nodiscard]] std::string name(int rank) const;

  const Options& options_;
  const Job& job_;
  int signals_ = -1;  // signalfd
  std::vector<Process> processes_;
  std::vector<TaggedStream> streams_;
  int running_ = 0;
  std::optional<int> code_;
  std::optional<Clock::time_point> timeout_at_;
  std::optional<Clock::time_point> kill_rank_at_;
  std::optional<Clock::time_point> kill_all_at_;
};

}  // namespace banyan_run
