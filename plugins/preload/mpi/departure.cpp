// SPDX-License-Identifier: Apache-2.0
#include "mpi/departure.hpp"

#include <pthread.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace banyan::preload {
namespace {

constexpr std::chrono::milliseconds kMoment(1);

struct Leaving {
  banyan_comm* comm;
  Place place;
  std::function<void()> last;
};

struct Departures {
  std::mutex mutex;
  std::condition_variable changed;
  size_t under_way = 0;
  size_t threads = 0;
  size_t starting = 0;  ///< of these, those that have not looked for work yet
  std::vector<Leaving> waiting;
};

/// Never destroyed: a thread may outlive main().
Departures& departures() {
  static Departures* const once = new Departures;
  return *once;
}

void finish(Leaving leaving) noexcept {
  if (leaving.last) {
    leaving.last();
  }
  banyan_comm_destroy(leaving.comm);
  leaving.place = {};
  Departures& all = departures();
  const std::lock_guard lock(all.mutex);
  --all.under_way;
  all.changed.notify_all();
}

/// Finishes the last of those that wait. The lock is held, and given up meanwhile.
void finish_one(Departures& all, std::unique_lock<std::mutex>& lock) noexcept {
  Leaving leaving = std::move(all.waiting.back());
  all.waiting.pop_back();
  lock.unlock();
  finish(std::move(leaving));
  lock.lock();
}

void finish_all() noexcept {
  Departures& all = departures();
  std::unique_lock lock(all.mutex);
  --all.starting;
  while (!all.waiting.empty()) {
    finish_one(all, lock);
  }
  --all.threads;
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

/// A thread for each that waits, as far as threads are to be had. The lock is held.
void start_threads(Departures& all) noexcept {
  try {
    const SignalsBlocked blocked;
    while (all.starting < all.waiting.size()) {
      std::thread(finish_all).detach();
      ++all.threads;
      ++all.starting;
    }
  } catch (const std::exception&) {
    return;  // those that have none get one of a later call, or of one that is through
  }
}

}  // namespace

void depart(banyan_comm* comm, Place place, std::function<void()> last) noexcept {
  Departures& all = departures();
  std::unique_lock lock(all.mutex);
  ++all.under_way;
  Leaving leaving{.comm = comm, .place = std::move(place), .last = std::move(last)};
  try {
    all.waiting.reserve(all.waiting.size() + 1);
  } catch (const std::exception&) {
    lock.unlock();
    finish(std::move(leaving));
    return;
  }
  all.waiting.push_back(std::move(leaving));
  start_threads(all);
}

void retry_departures() noexcept {
  Departures& all = departures();
  const std::lock_guard lock(all.mutex);
  start_threads(all);
}

bool all_departed() noexcept {
  Departures& all = departures();
  std::unique_lock lock(all.mutex);
  start_threads(all);
  return all.changed.wait_for(lock, kMoment, [&] { return all.under_way == 0; });
}

bool all_departed_with_help() noexcept {
  Departures& all = departures();
  {
    std::unique_lock lock(all.mutex);
    start_threads(all);
    if (all.threads == 0 && !all.waiting.empty()) {
      finish_one(all, lock);
    }
  }
  return all_departed();
}

}  // namespace banyan::preload
