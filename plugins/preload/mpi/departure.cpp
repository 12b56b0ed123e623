// SPDX-License-Identifier: Apache-2.0
#include "mpi/departure.hpp"

#include <pthread.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace banyan::preload {
namespace {

constexpr std::chrono::milliseconds kMoment(1);

struct Departures {
  std::mutex mutex;
  std::condition_variable changed;
  size_t under_way = 0;
  size_t threads = 0;
  std::vector<banyan_comm*> waiting;  ///< for a thread
};

/// Never destroyed: a thread may outlive main().
Departures& departures() {
  static Departures* const once = new Departures;
  return *once;
}

/// Frees `comm`, and then what waits for a thread.
void finish(banyan_comm* comm) noexcept {
  Departures& all = departures();
  while (comm != nullptr) {
    banyan_comm_destroy(comm);
    const std::lock_guard lock(all.mutex);
    comm = nullptr;
    if (!all.waiting.empty()) {
      comm = all.waiting.back();
      all.waiting.pop_back();
    }
    all.threads -= comm == nullptr ? 1 : 0;
    --all.under_way;
    all.changed.notify_all();
  }
}

/// Signals are the program's, and its threads'.
class SignalsBlocked {
 public:
  SignalsBlocked() noexcept {
    sigset_t every;
    ::sigfillset(&every);
    ::pthread_sigmask(SIG_SETMASK, &every, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

/// Whether there is a thread for each that waits. The lock is held.
bool all_have_threads(Departures& all) noexcept {
  try {
    const SignalsBlocked blocked;
    while (!all.waiting.empty()) {
      std::thread(finish, all.waiting.back()).detach();
      all.waiting.pop_back();
      ++all.threads;
    }
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace

void depart(banyan_comm* comm) noexcept {
  Departures& all = departures();
  {
    const std::lock_guard lock(all.mutex);
    ++all.under_way;
    try {
      all.waiting.push_back(comm);
      (void)all_have_threads(all);  // those that have none now get one of a later call, or of one that is through
      return;
    } catch (const std::exception&) {  // no memory for the list
      ++all.threads;
    }
  }
  finish(comm);
}

bool all_departed() noexcept {
  Departures& all = departures();
  std::unique_lock lock(all.mutex);
  if (!all_have_threads(all) && all.threads == 0) {
    banyan_comm* const first = all.waiting.back();
    all.waiting.pop_back();
    ++all.threads;
    lock.unlock();
    finish(first);
    lock.lock();
  }
  return all.changed.wait_for(lock, kMoment, [&] { return all.under_way == 0; });
}

}  // namespace banyan::preload
