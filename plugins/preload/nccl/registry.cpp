// SPDX-License-Identifier: Apache-2.0
#include "nccl/registry.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "nccl/settings.hpp"

namespace banyan::preload::nccl {
namespace {

constexpr size_t kMostGone = 1000;

struct Entry {
  uint64_t number = 0;  ///< in order of creation
  std::shared_ptr<Communicator> communicator;
};

struct Registry {
  std::mutex mutex;
  std::unordered_map<const Comm*, Entry> alive;
  std::map<uint64_t, std::shared_ptr<Communicator>> gone;
  std::unordered_map<const Communicator*, uint64_t> leaving;  ///< numbers of those taken out
  std::vector<Birth> awaited;
  uint64_t num_entered = 0;
  uint64_t num_not_kept = 0;
};

/// Never destroyed: the program may call NCCL while it ends.
Registry& registry() {
  static Registry& once = *new Registry;
  return once;
}

std::atomic<size_t> num_awaited{0};
std::atomic<pid_t> process{0};  ///< that has communicators

/// NCCL may be about to write there, in a thread of its own.
Comm* handle_at(Comm** place) { return __atomic_load_n(place, __ATOMIC_ACQUIRE); }

// What follows needs the mutex.

void keep(Registry& all, uint64_t number, std::shared_ptr<Communicator> communicator) {
  if (communicator->tally().is_empty()) {
    return;
  }
  if (all.gone.size() >= kMostGone) {
    ++all.num_not_kept;
    return;
  }
  all.gone.emplace(number, std::move(communicator));
}

std::shared_ptr<Communicator> add(Registry& all, const Comm* comm, const Real& real, const Origin& origin) {
  auto communicator = std::make_shared<Communicator>(real, origin);
  Entry& entry = all.alive[comm];
  if (entry.communicator != nullptr) {  // it ended by a call that is not seen
    keep(all, entry.number, std::move(entry.communicator));
  }
  entry = {all.num_entered++, communicator};
  process.store(::getpid(), std::memory_order_relaxed);
  return communicator;
}

void enter_one(Registry& all, const Birth& birth) {
  Comm* comm = handle_at(birth.place);
  // Size and rank in a split are asked for later, when the communicator is surely ready.
  if (comm != nullptr) {
    static_cast<void>(add(all, comm, *birth.real, birth.origin));
  }
}

}  // namespace

void enter(std::span<const Birth> births, Result result) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  for (const Birth& birth : births) {
    if (birth.parent != nullptr && result == Result::kInProgress) {
      all.awaited.push_back(birth);
    } else {
      enter_one(all, birth);
    }
  }
  num_awaited.store(all.awaited.size(), std::memory_order_relaxed);
}

void enter_children_of(const Comm* parent) {
  if (num_awaited.load(std::memory_order_relaxed) == 0) {
    return;
  }
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  const auto others = std::stable_partition(all.awaited.begin(), all.awaited.end(),
                                            [&](const Birth& birth) { return birth.parent != parent; });
  std::for_each(others, all.awaited.end(), [&](const Birth& birth) { enter_one(all, birth); });
  all.awaited.erase(others, all.awaited.end());
  num_awaited.store(all.awaited.size(), std::memory_order_relaxed);
}

std::shared_ptr<Communicator> find(const Comm* comm) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  const auto found = all.alive.find(comm);
  return found != all.alive.end() ? found->second.communicator : nullptr;
}

std::shared_ptr<Communicator> find_or_adopt(const Real& real, Comm* comm) {
  const auto known = find(comm);
  if (comm == nullptr || (known != nullptr && known->origin().num_ranks > 0)) {
    return known;
  }
  const Functions& functions = real.functions;
  Origin origin;
  if (functions.comm_count == nullptr || functions.comm_user_rank == nullptr ||
      functions.comm_count(comm, &origin.num_ranks) != Result::kSuccess ||
      functions.comm_user_rank(comm, &origin.rank) != Result::kSuccess || origin.num_ranks < 1 || origin.rank < 0 ||
      origin.rank >= origin.num_ranks) {
    return nullptr;
  }
  if (known != nullptr) {
    known->learn(origin.num_ranks, origin.rank);
    return known;
  }
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  const auto now = all.alive.find(comm);
  return now != all.alive.end() ? now->second.communicator : add(all, comm, real, origin);
}

std::shared_ptr<Communicator> take_out(const Comm* comm) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  std::erase_if(all.awaited, [&](const Birth& birth) { return birth.parent == comm; });
  num_awaited.store(all.awaited.size(), std::memory_order_relaxed);
  const auto found = all.alive.find(comm);
  if (found == all.alive.end()) {
    return nullptr;
  }
  const Entry entry = found->second;
  all.alive.erase(found);
  all.leaving[entry.communicator.get()] = entry.number;
  return entry.communicator;
}

void bury(std::shared_ptr<Communicator> communicator, State state) {
  communicator->set_state(state);
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  const auto found = all.leaving.find(communicator.get());
  const uint64_t number = found != all.leaving.end() ? found->second : all.num_entered;
  all.leaving.erase(communicator.get());
  keep(all, number, std::move(communicator));
}

void put_back(const Comm* comm, std::shared_ptr<Communicator> communicator) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  const auto found = all.leaving.find(communicator.get());
  const uint64_t number = found != all.leaving.end() ? found->second : all.num_entered;
  all.leaving.erase(communicator.get());
  all.alive.try_emplace(comm, Entry{number, std::move(communicator)});
}

Inventory inventory() {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  std::map<uint64_t, std::shared_ptr<const Communicator>> ordered(all.gone.begin(), all.gone.end());
  for (const auto& [comm, entry] : all.alive) {
    ordered.emplace(entry.number, entry.communicator);
  }
  Inventory found{.communicators = {}, .num_not_kept = all.num_not_kept, .num_alive = all.alive.size()};
  for (const auto& [number, communicator] : ordered) {
    found.communicators.push_back(communicator);
  }
  return found;
}

bool is_own_process() {
  return process.load(std::memory_order_relaxed) == ::getpid();
}  // no lock: one may be held there

}  // namespace banyan::preload::nccl
