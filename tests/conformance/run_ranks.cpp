// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <thread>

#include "base/fd.hpp"
#include "rank.hpp"

namespace banyan::conformance {
namespace {

constexpr double kProcessSeconds = kExamSeconds + 30;

/// Makes each communicator's host context once, for all ranks of this process.
class HostContexts {
 public:
  HostContexts(const TransportUnderTest& subject, int size) : subject_(subject), size_(size) {}

  void* get(int communicator) {
    if (!subject_.host_context) {
      return nullptr;
    }
    const std::lock_guard lock(mutex_);
    auto& context = contexts_[communicator];
    if (context == nullptr) {
      context = subject_.host_context(size_);
    }
    return context.get();
  }

 private:
  const TransportUnderTest& subject_;
  int size_;
  std::mutex mutex_;
  std::map<int, std::shared_ptr<void>> contexts_;
};

void run_rank(const TransportUnderTest& subject, Exchange& exchange, HostContexts& contexts, int index,
              const std::function<void(Rank&)>& body) noexcept {
  try {
    Rank rank(subject, exchange, index, [&](int communicator) { return contexts.get(communicator); });
    body(rank);
  } catch (const std::exception& failure) {
    exchange.fail(index, failure.what());
  }
}

void run_threads(const TransportUnderTest& subject, Exchange& exchange, const std::function<void(Rank&)>& body) {
  HostContexts contexts(subject, exchange.size());
  std::vector<std::thread> threads;
  for (int index = 0; index < exchange.size(); ++index) {
    threads.emplace_back([&, index] { run_rank(subject, exchange, contexts, index, body); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

/// Waits for a child until the deadline, after which it is killed. Gives its wait status.
int await_child(pid_t child, const Deadline& deadline) {
  const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  pollfd wait{process.get(), POLLIN, 0};
  while (::poll(&wait, 1, deadline.remaining_ms()) < 0 && errno == EINTR) {
  }
  if ((wait.revents & POLLIN) == 0) {
    ::kill(child, SIGKILL);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

void run_processes(const TransportUnderTest& subject, Exchange& exchange, const std::function<void(Rank&)>& body) {
  std::fflush(nullptr);
  std::vector<pid_t> children;
  for (int index = 0; index < exchange.size(); ++index) {
    const pid_t child = ::fork();
    if (child == 0) {
      HostContexts contexts(subject, exchange.size());
      run_rank(subject, exchange, contexts, index, body);
      std::exit(0);  // not _exit: leak checker and coverage do their work at exit
    }
    ASSERT_GT(child, 0) << "fork failed";
    children.push_back(child);
  }
  const Deadline deadline = Deadline::in(kProcessSeconds);
  for (int index = 0; index < exchange.size(); ++index) {
    const int status = await_child(children[static_cast<size_t>(index)], deadline);
    const bool killed_itself = exchange.has_left(index) && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    const bool exited = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!killed_itself && !exited) {
      ADD_FAILURE() << "rank " << index << " ended with wait status " << status;
      exchange.fail(index, "see above");
    }
  }
}

}  // namespace

void run_ranks(const TransportUnderTest& subject, int size, const std::function<void(Rank&)>& body) {
  if (!subject.skip_reason.empty()) {
    GTEST_SKIP() << subject.skip_reason;
  }
  for (const auto& [name, value] : subject.environment) {
    ::setenv(name.c_str(), value.c_str(), 1);
  }
  Exchange exchange(size);
  (subject.ranks == Ranks::kThreads ? run_threads : run_processes)(subject, exchange, body);
  for (const auto& [name, value] : subject.environment) {
    ::unsetenv(name.c_str());
  }
  for (int index = 0; index < size; ++index) {
    if (const std::string reason = exchange.failure(index); !reason.empty()) {
      ADD_FAILURE() << subject.label << " rank " << index << ": " << reason;
    }
  }
}

}  // namespace banyan::conformance
