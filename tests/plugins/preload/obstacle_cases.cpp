// SPDX-License-Identifier: Apache-2.0
// What happens on machines that lack something. obstacles.cpp, which is preloaded too, takes it away.
#include <dlfcn.h>

#include "program.hpp"

namespace preload_test {
namespace {

template <typename Function>
Function* obstacle(const char* name) {
  auto* const found = reinterpret_cast<Function*>(::dlsym(RTLD_DEFAULT, name));
  check(found != nullptr, std::string(name) + " is not preloaded");
  return found;
}

void let_threads_fail(bool fail) {
  if (auto* const set = obstacle<void(bool)>("preload_test_let_threads_fail")) {
    set(fail);
  }
}

/// MPI_Comm_free must not wait for other ranks, also where it cannot leave the waiting to a thread.
void freed_without_threads() {
  std::array<MPI_Comm, 2> comms = two_copies();
  expect_banyan_calls(2, "two communicators", [&] {
    exchange_once(comms[0]);
    exchange_once(comms[1]);
  });
  let_threads_fail(true);
  free_in_opposite_orders(comms);
  let_threads_fail(false);
}

/// Started with room for a few communicators, of which none is left, because what was freed still waits for threads:
/// the next one waits for it.
void freed_room_is_waited_for() {
  std::vector<MPI_Comm> comms(12);
  for (MPI_Comm& comm : comms) {
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    exchange_once(comm);
  }
  let_threads_fail(true);
  for (MPI_Comm& comm : comms) {
    MPI_Comm_free(&comm);
  }
  let_threads_fail(false);
  expect_banyan_calls(1, "the next communicator", [] { exchange_once(MPI_COMM_WORLD); });
}

/// Started with `BANYAN_TIMEOUT_S=`, which is as good as not set: an MPI program has no deadline.
void empty_deadline_is_none() {
  constexpr double kNone = 1e6;
  expect_banyan_calls(1, "an exchange", [] { exchange_once(MPI_COMM_WORLD); });
  auto* const last_timeout_s = obstacle<double()>("preload_test_last_timeout_s");
  check(last_timeout_s != nullptr && last_timeout_s() > kNone, "there is a deadline");
}

/// With failing_trial.cpp: a rank whose trial failed slowly spares all others the next one.
void slow_failure_is_remembered() {
  expect_banyan_calls(0, "exchanges without Banyan", [] {
    for (int i = 0; i < 3; ++i) {
      MPI_Comm copy = MPI_COMM_NULL;
      MPI_Comm_dup(MPI_COMM_WORLD, &copy);
      exchange_once(copy);
      MPI_Comm_free(&copy);
    }
  });
  auto* const creations = obstacle<uint64_t()>("preload_test_creations");
  check(creations != nullptr && creations() == 1, "it is tried again");
}

/// With failing_trial.cpp: MPI stands still while a communicator is made.
void deadlines_are_short() {
  auto* const creation = obstacle<double()>("preload_test_creation_deadline_s");
  auto* const trial = obstacle<double()>("preload_test_trial_deadline_s");
  check(creation != nullptr && creation() > 0 && creation() <= 15, "the deadline of creation");
  check(trial != nullptr && trial() > 0 && trial() <= 10, "the deadline of the trial");
}

}  // namespace

const std::vector<Case> kObstacleCases = {
    {"freed_without_threads", freed_without_threads},       {"empty_deadline_is_none", empty_deadline_is_none},
    {"freed_room_is_waited_for", freed_room_is_waited_for}, {"slow_failure_is_remembered", slow_failure_is_remembered},
    {"deadlines_are_short", deadlines_are_short},
};

}  // namespace preload_test
