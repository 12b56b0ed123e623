// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>

#include <csignal>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

#include "base/error.hpp"

namespace banyan::bootstrap {

/// Starts a thread that receives none of the process's signals, so that the application's handlers run on its own
/// threads only. Error{NO_MEMORY} when the system has no thread left.
template <typename Function>
[[nodiscard]] std::thread start_quiet_thread(Function function) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread thread(std::move(function));
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return thread;
  } catch (const std::system_error& error) {
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw Error(BANYAN_ERR_NO_MEMORY, std::string("cannot start a thread: ") + error.what());
  }
}

}  // namespace banyan::bootstrap
