// SPDX-License-Identifier: Apache-2.0
#include "supervisor.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <stdexcept>
#include <system_error>

namespace banyan_run {
namespace {

constexpr std::array kPassedOn = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
constexpr int kTimeoutCode = 124;
constexpr std::chrono::seconds kGrace{2};

sigset_t watched_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGCHLD);
  for (const int signal : kPassedOn) {
    ::sigaddset(&set, signal);
  }
  return set;
}

void say(const std::string& text) { std::cerr << "banyan-run: " << text << std::endl; }

std::chrono::steady_clock::time_point after(double seconds) {
  return std::chrono::steady_clock::now() +
         std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

Supervisor::Supervisor(const Options& options, const Job& job)
    : options_(options), job_(job), processes_(job.ranks().size()) {
  const sigset_t set = watched_signals();
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  signals_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals_ < 0) {
    throw std::runtime_error("signalfd failed: " + std::generic_category().message(errno));
  }
}

Supervisor::~Supervisor() {
  signal_all(SIGKILL);  // also what ended ranks left behind
  for (const Process& process : processes_) {
    if (process.pid > 0) {
      ::waitpid(process.pid, nullptr, 0);
    }
  }
  ::close(signals_);
}

int Supervisor::run() {
  for (const RankPlan& plan : job_.ranks()) {
    start(plan);
  }
  if (options_.timeout_s) {
    timeout_at_ = after(*options_.timeout_s);
  }
  if (options_.kill_rank) {
    kill_rank_at_ = after(options_.kill_after_s);
  }
  while (running_ > 0 || !streams_.empty()) {
    wait_for_events();
    check_clock();
    if (running_ == 0 && kill_all_at_) {
      break;  // what else holds the pipes open was left behind by ranks, and is about to be killed
    }
  }
  return code_.value_or(0);
}

void Supervisor::start(const RankPlan& plan) {
  std::array<int, 2> out = {-1, -1};
  std::array<int, 2> err = {-1, -1};
  if (options_.tag_output && (::pipe2(out.data(), O_CLOEXEC) != 0 || ::pipe2(err.data(), O_CLOEXEC) != 0)) {
    throw std::runtime_error("cannot make a pipe: " + std::generic_category().message(errno));
  }
  const pid_t launcher = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) {
    throw std::runtime_error("cannot start rank " + std::to_string(plan.rank) + ": " +
                             std::generic_category().message(errno));
  }
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // no rank outlives a launcher that was killed
    if (::getppid() != launcher) {
      ::_exit(127);
    }
    become(plan, out[1], err[1]);
  }
  ::setpgid(pid, pid);  // as the child does: whoever comes first
  processes_[static_cast<size_t>(plan.rank)] = {.pid = pid, .running = true};
  ++running_;
  if (options_.tag_output) {
    ::close(out[1]);
    ::close(err[1]);
    streams_.emplace_back(out[0], STDOUT_FILENO, plan.rank);
    streams_.emplace_back(err[0], STDERR_FILENO, plan.rank);
  }
}

void Supervisor::become(const RankPlan& plan, int out, int err) const {
  ::setpgid(0, 0);
  const sigset_t set = watched_signals();
  ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(null, STDIN_FILENO);
  if (options_.tag_output) {
    ::dup2(out, STDOUT_FILENO);
    ::dup2(err, STDERR_FILENO);
  }
  ::unsetenv("BANYAN_JOB_SECRET");
  for (const auto& [variable, value] : plan.variables) {
    ::setenv(variable.c_str(), value.c_str(), 1);
  }
  std::vector<char*> words;
  for (const std::string& word : plan.command) {
    words.push_back(const_cast<char*>(word.c_str()));
  }
  words.push_back(nullptr);
  ::execvp(words[0], words.data());
  std::fprintf(stderr, "banyan-run: cannot run %s: %s\n", words[0], std::strerror(errno));
  ::_exit(127);
}

void Supervisor::wait_for_events() {
  std::vector<pollfd> fds;
  fds.push_back({.fd = signals_, .events = POLLIN, .revents = 0});
  for (const TaggedStream& stream : streams_) {
    fds.push_back({.fd = stream.source(), .events = POLLIN, .revents = 0});
  }
  if (::poll(fds.data(), fds.size(), wait_ms()) <= 0) {
    return;
  }
  for (size_t i = 0; i < streams_.size(); ++i) {
    if (fds[i + 1].revents != 0) {
      streams_[i].pass_on();
    }
  }
  if (std::any_of(streams_.begin(), streams_.end(), [](const TaggedStream& one) { return one.source() < 0; })) {
    std::vector<TaggedStream> open;
    for (TaggedStream& stream : streams_) {
      if (stream.source() >= 0) {
        open.push_back(std::move(stream));
      }
    }
    streams_.swap(open);
  }
  if (fds[0].revents != 0) {
    take_signal();
  }
}

int Supervisor::wait_ms() const {
  std::optional<Clock::time_point> next;
  for (const auto& when : {timeout_at_, kill_rank_at_, kill_all_at_}) {
    if (when && (!next || *when < *next)) {
      next = when;
    }
  }
  if (!next) {
    return -1;
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - Clock::now()).count();
  return static_cast<int>(std::clamp<long long>(left, 0, 1000000000));
}

void Supervisor::take_signal() {
  signalfd_siginfo info{};
  while (::read(signals_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo != SIGCHLD) {
      signal_all(static_cast<int>(info.ssi_signo));
    }
  }
  collect_ended();
}

/// Leaves zombies until the end of the job, so that no other process can get a pid or group that we still signal.
void Supervisor::collect_ended() {
  for (size_t rank = 0; rank < processes_.size(); ++rank) {
    siginfo_t info{};
    const bool known = !processes_[rank].running;
    if (known || ::waitid(P_PID, static_cast<id_t>(processes_[rank].pid), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
        info.si_pid == 0) {
      continue;
    }
    processes_[rank].running = false;
    --running_;
    ended(static_cast<int>(rank), info.si_code != CLD_EXITED, info.si_status);
  }
}

void Supervisor::ended(int rank, bool by_signal, int value) {
  const bool killed_by_us = options_.kill_rank == rank && !kill_rank_at_ && by_signal && value == SIGKILL;
  const bool consequence = kill_all_at_.has_value();
  if ((!by_signal && value == 0) || killed_by_us || consequence) {
    return;
  }
  const int code = by_signal ? 128 + value : value;
  say(name(rank) + (by_signal ? " was ended by signal " + std::to_string(value) + " (" + ::strsignal(value) + ")"
                              : " exited with code " + std::to_string(value)));
  code_ = code_.value_or(code);
  if (!options_.keep_going && !options_.kill_rank && running_ > 0) {
    say("ending the other " + std::to_string(running_));
    end_job(code);
  }
}

void Supervisor::check_clock() {
  const auto now = Clock::now();
  if (kill_rank_at_ && now >= *kill_rank_at_) {
    kill_rank_at_.reset();
    const Process& victim = processes_[static_cast<size_t>(*options_.kill_rank)];
    if (victim.running) {
      say("killing " + name(*options_.kill_rank));
      ::kill(victim.pid, SIGKILL);
    }
  }
  if (timeout_at_ && now >= *timeout_at_) {
    timeout_at_.reset();
    std::string late;
    for (size_t rank = 0; rank < processes_.size(); ++rank) {
      if (processes_[rank].running) {
        late += (late.empty() ? "" : ", ") + std::to_string(rank);
      }
    }
    say("the job did not end within --timeout; still running: " + late);
    end_job(kTimeoutCode);
  }
  if (kill_all_at_ && now >= *kill_all_at_) {
    kill_all_at_ = now + kGrace;
    signal_all(SIGKILL);
  }
}

void Supervisor::end_job(int code) {
  code_ = code_.value_or(code);
  signal_all(SIGTERM);
  kill_all_at_ = Clock::now() + kGrace;
}

/// To the process groups, so that what ranks started ends too.
void Supervisor::signal_all(int signal) {
  for (const Process& process : processes_) {
    if (process.pid > 0) {
      ::kill(-process.pid, signal);
    }
  }
}

std::string Supervisor::name(int rank) const {
  const RankPlan& plan = job_.ranks()[static_cast<size_t>(rank)];
  return "rank " + std::to_string(rank) + " of " + std::to_string(processes_.size()) + " (" +
         (plan.place.empty() ? "" : plan.place + ", ") + "pid " +
         std::to_string(processes_[static_cast<size_t>(rank)].pid) + ")";
}

}  // namespace banyan_run
