// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/listener_owner.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>

#include <cerrno>

#include "base/error.hpp"
#include "bootstrap/quiet_thread.hpp"
#include "bootstrap/socket.hpp"

namespace banyan::bootstrap {

ListenerOwner& ListenerOwner::of_process() {
  static ListenerOwner* const owner = new ListenerOwner;  // outlives the watching threads, also during exit
  return *owner;
}

void ListenerOwner::keep(const JobId& id, Fd listener, Deadline deadline) {
  Fd signal(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  Fd watched(signal ? ::fcntl(signal.get(), F_DUPFD_CLOEXEC, 0) : -1);
  if (!watched) {
    throw Error(BANYAN_ERR_NO_MEMORY, "cannot create an eventfd: " + errno_text(errno));
  }
  const std::lock_guard lock(mutex_);  // the thread's take() waits for the entry
  // Detached, with its own descriptor: a child forked by the caller may take the socket too, and has no such thread.
  // The eventfd is shared with such a child, so that its taking closes the parent's copy.
  start_quiet_thread([this, id, deadline, watched = std::move(watched)] {
    pollfd wait = {.fd = watched.get(), .events = POLLIN, .revents = 0};
    poll_until({&wait, 1}, deadline);
    static_cast<void>(take(id));
  }).detach();
  entries_[id] = Entry{.listener = std::move(listener), .taken_signal = std::move(signal)};
}

Fd ListenerOwner::take(const JobId& id) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end()) {
    return {};
  }
  Fd listener = std::move(found->second.listener);
  const uint64_t one = 1;
  static_cast<void>(!::write(found->second.taken_signal.get(), &one, sizeof one));
  entries_.erase(found);
  return listener;
}

}  // namespace banyan::bootstrap
