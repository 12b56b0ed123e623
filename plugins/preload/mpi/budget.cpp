// SPDX-License-Identifier: Apache-2.0
#include "mpi/budget.hpp"

#include <dirent.h>
#include <sys/resource.h>

#include <chrono>
#include <mutex>
#include <utility>

#include "mpi/departure.hpp"

namespace banyan::preload {

struct Budget {
  std::mutex mutex;
  size_t places = 0;
  size_t descriptors = 0;
  size_t others = 0;  ///< descriptors that the program had open when there was no communicator
  bool waited_in_vain = false;
};

namespace {

/// Each has some megabytes of shared memory per rank, docs/performance.md.
constexpr size_t kMostPlaces = 32;
/// Longer than a rank's goodbye takes, to which nobody answers.
constexpr std::chrono::seconds kPatience(5);

/// Never destroyed: a thread may outlive main().
Budget& budget() {
  static Budget* const once = new Budget;
  return *once;
}

size_t open_descriptors() noexcept {
  size_t count = 0;
  if (DIR* folder = ::opendir("/proc/self/fd")) {
    while (::readdir(folder) != nullptr) {
      ++count;
    }
    ::closedir(folder);
  }
  return count;
}

/// The most that a communicator may have open: a connection and a handle of its process for each rank, those of its own
/// threads, and on rank 0, which all reach, two more connections for each rank.
size_t descriptors_of(int rank, int size) noexcept {
  constexpr size_t kOwn = 32;
  return static_cast<size_t>(size) * (rank == 0 ? 4 : 2) + kOwn;
}

/// Why another of so many descriptors does not fit, empty if it does. The lock is held.
std::string refusal(const Budget& now, size_t descriptors) {
  if (now.places >= kMostPlaces) {
    return std::to_string(now.places) + " communicators are not gone yet";
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return "";
  }
  // The rest is the program's, for what it opens later.
  const size_t most = static_cast<size_t>(limit.rlim_cur) / 4 * 3;
  if (now.others + now.descriptors + descriptors <= most) {
    return "";
  }
  return "it may need " + std::to_string(descriptors) + " file descriptors, beside " +
         std::to_string(now.others + now.descriptors) + ", and ulimit -n is " + std::to_string(limit.rlim_cur) +
         "; raise it";
}

}  // namespace

Place::Place(Place&& other) noexcept
    : descriptors_(std::exchange(other.descriptors_, 0)), why_not_(std::move(other.why_not_)) {}

Place& Place::operator=(Place&& other) noexcept {
  give_back();
  descriptors_ = std::exchange(other.descriptors_, 0);
  why_not_ = std::move(other.why_not_);
  return *this;
}

void Place::give_back() noexcept {
  if (descriptors_ == 0) {
    return;
  }
  Budget& all = budget();
  const std::lock_guard lock(all.mutex);
  --all.places;
  all.descriptors -= std::exchange(descriptors_, 0);
  all.waited_in_vain = false;
}

Place Place::try_to_find(Budget& all, size_t descriptors) {
  if (all.places == 0) {
    all.others = open_descriptors();
  }
  Place place;
  place.why_not_ = refusal(all, descriptors);
  if (place.why_not_.empty()) {
    ++all.places;
    all.descriptors += descriptors;
    place.descriptors_ = descriptors;
  }
  return place;
}

Place Place::find(int rank, int size, Progress& progress) {
  const size_t descriptors = descriptors_of(rank, size);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  Budget& all = budget();
  retry_departures();  // other ranks may wait for those of this one
  for (bool last_look = false;;) {
    {
      const std::lock_guard lock(all.mutex);
      Place place = try_to_find(all, descriptors);
      if (place.descriptors_ > 0 || last_look || all.waited_in_vain) {
        return place;
      }
    }
    last_look = all_departed();  // sleeps a moment, which gives the core to those that depart
    if (std::chrono::steady_clock::now() > deadline) {
      last_look = true;
      const std::lock_guard lock(all.mutex);
      all.waited_in_vain = true;
    }
    progress.make();
  }
}

}  // namespace banyan::preload
