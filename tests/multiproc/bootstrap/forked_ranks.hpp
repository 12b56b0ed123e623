// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstring>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "banyan/comm.h"
#include "base/deadline.hpp"
#include "base/error.hpp"

namespace banyan::testing {

/// Waits for a condition that another process brings about; false after a deadline far beyond what any machine needs.
inline bool eventually(const std::function<bool()>& condition, double seconds = 60) {
  const Deadline deadline = Deadline::in(seconds);
  while (!condition()) {
    if (deadline.passed()) {
      return false;
    }
    std::this_thread::yield();
  }
  return true;
}

/// Ranks that are forked processes, with memory that all of them and the test share.
class ForkedRanks {
 public:
  static constexpr int kMaxRanks = 64;

  /// What one rank leaves for the test.
  struct Report {
    std::atomic<int> stage{0};  ///< how far it came, as the test counts
    std::atomic<bool> done{false};
    banyan_status status = BANYAN_OK;
    char text[1024] = {};
    double seconds = 0;  ///< free for measurements
    pid_t child = 0;     ///< a process the rank started, which the test must end
  };
  struct Shared {
    banyan_unique_id id{};
    std::atomic<bool> id_ready{false};
    Report reports[kMaxRanks];
  };

  /// Forks `size` ranks; each runs `body(rank, shared)` and reports what it threw. The caller must have no threads.
  ForkedRanks(int size, const std::function<void(int, Shared&)>& body) {
    void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      throw std::runtime_error("mmap");
    }
    shared_ = new (memory) Shared;
    for (int rank = 0; rank < size; ++rank) {
      const pid_t pid = ::fork();
      if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        run(rank, body);
      }
      pids_.push_back(pid);
    }
  }

  ~ForkedRanks() {
    for (size_t rank = 0; rank < pids_.size(); ++rank) {
      kill(static_cast<int>(rank));
      if (shared_->reports[rank].child > 0) {
        ::kill(shared_->reports[rank].child, SIGKILL);
      }
    }
    ::munmap(shared_, sizeof(Shared));
  }
  ForkedRanks(const ForkedRanks&) = delete;
  ForkedRanks& operator=(const ForkedRanks&) = delete;

  [[nodiscard]] Shared& shared() { return *shared_; }
  [[nodiscard]] Report& report(int rank) { return shared_->reports[rank]; }

  /// SIGKILL, and waits until the process is gone.
  void kill(int rank) {
    pid_t& pid = pids_[static_cast<size_t>(rank)];
    if (pid > 0) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
      pid = 0;
    }
  }

  /// Waits until every rank but `except` reached the stage.
  bool all_reach(int stage, int except = -1) {
    return eventually([&] {
      for (int rank = 0; rank < static_cast<int>(pids_.size()); ++rank) {
        if (rank != except && report(rank).stage < stage && !report(rank).done) {
          return false;
        }
      }
      return true;
    });
  }
  /// Waits until every rank but `except` is done.
  bool all_done(int except = -1) {
    return eventually([&] {
      for (int rank = 0; rank < static_cast<int>(pids_.size()); ++rank) {
        if (rank != except && !report(rank).done) {
          return false;
        }
      }
      return true;
    });
  }

 private:
  [[noreturn]] void run(int rank, const std::function<void(int, Shared&)>& body) {
    Report& mine = report(rank);
    const auto note = [&](banyan_status status, const char* text) {
      mine.status = status;
      std::strncpy(mine.text, text, sizeof mine.text - 1);
    };
    try {
      body(rank, *shared_);
    } catch (const Error& error) {
      note(error.status(), error.what());
    } catch (const std::exception& error) {
      note(BANYAN_ERR_INTERNAL, error.what());
    }
    mine.done = true;
    ::_exit(0);
  }

  Shared* shared_ = nullptr;
  std::vector<pid_t> pids_;
};

}  // namespace banyan::testing
