// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/fork_guard.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <mutex>
#include <set>
#include <utility>

#include "base/error.hpp"

namespace banyan::bootstrap {
namespace {

/// The descriptors to replace. Of the process, as fork handlers are; docs/decisions/0005 says why. Never destroyed.
struct GuardedDescriptors {
  std::mutex mutex;
  std::multiset<int> fds;
};

GuardedDescriptors& guarded() {
  static GuardedDescriptors* const instance = [] {
    auto* const made = new GuardedDescriptors;
    const int error = ::pthread_atfork([] { guarded().mutex.lock(); }, [] { guarded().mutex.unlock(); },
                                       [] {
                                         // Only async-signal-safe calls: other threads are gone.
                                         const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
                                         for (const int fd : guarded().fds) {
                                           if (null < 0) {
                                             ::close(fd);
                                           } else {
                                             ::dup3(null, fd, O_CLOEXEC);
                                           }
                                         }
                                         ::close(null);
                                         guarded().mutex.unlock();
                                       });
    if (error != 0) {
      delete made;
      throw Error(BANYAN_ERR_NO_MEMORY, "pthread_atfork failed: out of memory");
    }
    return made;
  }();
  return *instance;
}

}  // namespace

ForkGuard::ForkGuard(int fd) : fd_(fd) {
  GuardedDescriptors& all = guarded();
  const std::lock_guard lock(all.mutex);
  all.fds.insert(fd);
}

ForkGuard::ForkGuard(ForkGuard&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

ForkGuard::~ForkGuard() {
  if (fd_ >= 0) {
    GuardedDescriptors& all = guarded();
    const std::lock_guard lock(all.mutex);
    const auto found = all.fds.find(fd_);
    if (found != all.fds.end()) {
      all.fds.erase(found);
    }
  }
}

}  // namespace banyan::bootstrap
