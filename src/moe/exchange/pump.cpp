// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/pump.hpp"

#include <pthread.h>

#include <csignal>
#include <new>

namespace banyan::moe {

Pump::Pump(Group& group) : flow_(group) {
  sigset_t all, before;
  sigfillset(&all);  // signals are the application's
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread_ = std::thread([this] { work(); });
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Pump::~Pump() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Pump::add(Moves moves) {
  {
    const std::lock_guard lock(mutex_);
    added_.push_back(std::move(moves));
  }
  changed_.notify_one();
}

void Pump::take(Moves& moves) noexcept {
  const std::shared_ptr<Move> last = moves.back();
  try {
    flow_.add(std::move(moves));
  } catch (const std::bad_alloc&) {
    const Error error(BANYAN_ERR_NO_MEMORY, "a thread of the token exchange is out of memory");
    flow_.fail(error);
    last->end(error.status(), error.what());
  }
}

void Pump::work() {
  std::vector<Moves> taken;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stop_ || !added_.empty() || !flow_.empty(); });
      if (stop_ && added_.empty() && flow_.empty()) {
        return;
      }
      taken.swap(added_);
    }
    for (Moves& moves : taken) {
      take(moves);
    }
    taken.clear();
    if (!flow_.progress()) {
      flow_.idle();
    }
  }
}

}  // namespace banyan::moe
