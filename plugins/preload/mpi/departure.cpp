// SPDX-License-Identifier: Apache-2.0
#include "mpi/departure.hpp"

#include <pthread.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <exception>
#include <mutex>
#include <thread>

namespace banyan::preload {
namespace {

constexpr std::chrono::milliseconds kMoment(1);

struct Departures {
  std::mutex mutex;
  std::condition_variable changed;
  size_t under_way = 0;
};

/// Never destroyed: a thread may outlive main().
Departures& departures() {
  static Departures* const once = new Departures;
  return *once;
}

void finish(banyan_comm* comm) noexcept {
  banyan_comm_destroy(comm);
  Departures& all = departures();
  const std::lock_guard lock(all.mutex);
  --all.under_way;
  all.changed.notify_all();
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

}  // namespace

void depart(banyan_comm* comm) noexcept {
  Departures& all = departures();
  {
    const std::lock_guard lock(all.mutex);
    ++all.under_way;
  }
  try {
    const SignalsBlocked blocked;
    std::thread(finish, comm).detach();
  } catch (const std::exception&) {  // no thread is to be had: then here
    finish(comm);
  }
}

bool all_departed() noexcept {
  Departures& all = departures();
  std::unique_lock lock(all.mutex);
  return all.changed.wait_for(lock, kMoment, [&] { return all.under_way == 0; });
}

}  // namespace banyan::preload
