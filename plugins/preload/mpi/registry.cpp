// SPDX-License-Identifier: Apache-2.0
#include "mpi/registry.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <numeric>
#include <string>
#include <utility>

#include "mpi/departure.hpp"
#include "mpi/failure.hpp"
#include "mpi/mode.hpp"
#include "mpi/notice.hpp"
#include "mpi/progress.hpp"
#include "mpi/report.hpp"
#include "mpi/summary.hpp"

namespace banyan::preload {
namespace {

/// A program may make and free communicators without end.
constexpr size_t kObservedKept = 1000;

std::atomic<bool> made = false;

/// Whether all ranks of `comm` were started together. Others, of MPI_Comm_spawn or MPI_Comm_connect, may not have the
/// library. Every rank comes to the same: ranks of two worlds see each other from both.
bool lies_in_world(MPI_Comm comm) {
  MPI_Group world = MPI_GROUP_NULL, group = MPI_GROUP_NULL;
  int size = 0;
  check_mpi(PMPI_Comm_size(comm, &size), "MPI_Comm_size");
  check_mpi(PMPI_Comm_group(MPI_COMM_WORLD, &world), "MPI_Comm_group");
  check_mpi(PMPI_Comm_group(comm, &group), "MPI_Comm_group");
  std::vector<int> ranks(static_cast<size_t>(size)), in_world(ranks.size(), MPI_UNDEFINED);
  std::iota(ranks.begin(), ranks.end(), 0);
  const int code = PMPI_Group_translate_ranks(group, size, ranks.data(), world, in_world.data());
  PMPI_Group_free(&group);
  PMPI_Group_free(&world);
  check_mpi(code, "MPI_Group_translate_ranks");
  return std::find(in_world.begin(), in_world.end(), MPI_UNDEFINED) == in_world.end();
}

/// Errors of a communicator are returned while this lives, whatever the program wants otherwise.
class ErrorsReturned {
 public:
  explicit ErrorsReturned(MPI_Comm comm) : comm_(comm) {
    check_mpi(PMPI_Comm_get_errhandler(comm, &before_), "MPI_Comm_get_errhandler");
    PMPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
  }
  ~ErrorsReturned() {
    PMPI_Comm_set_errhandler(comm_, before_);
    PMPI_Errhandler_free(&before_);
  }
  ErrorsReturned(const ErrorsReturned&) = delete;
  ErrorsReturned& operator=(const ErrorsReturned&) = delete;

 private:
  MPI_Comm comm_;
  MPI_Errhandler before_ = MPI_ERRHANDLER_NULL;
};

}  // namespace

Registry& registry() {
  static Registry* const once = new Registry;
  return *once;
}

bool has_registry() noexcept { return made; }

Registry::Registry() {
  check_mpi(PMPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, on_comm_delete, &key_, this), "MPI_Comm_create_keyval");
  // MPI_Finalize frees the attributes of MPI_COMM_SELF before it does anything else, while ranks may communicate. It
  // begins with the last: what the program keeps there may communicate too, and Banyan's part of it waits for peers.
  int finalize_key = MPI_KEYVAL_INVALID;
  check_mpi(PMPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, on_finalize, &finalize_key, this), "MPI_Comm_create_keyval");
  check_mpi(PMPI_Comm_set_attr(MPI_COMM_SELF, finalize_key, nullptr), "MPI_Comm_set_attr");
  try {
    make_local();
  } catch (const Failure& failure) {
    broken_ = failure.what();  // the other ranks will ask at the first all-to-all
  }
  made = true;
}

void Registry::make_local() {
  const ErrorsReturned returned(MPI_COMM_SELF);
  // Not a duplicate: that would call the program's copy functions for attributes.
  check_mpi(PMPI_Comm_split(MPI_COMM_SELF, 0, 0, &local_), "MPI_Comm_split");
  check_mpi(PMPI_Comm_set_errhandler(local_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
}

Counterpart* Registry::find(MPI_Comm comm) const {
  void* value = nullptr;
  int found = 0;
  check_mpi(PMPI_Comm_get_attr(comm, key_, &value, &found), "MPI_Comm_get_attr");
  return found != 0 ? static_cast<Counterpart*>(value) : nullptr;
}

Counterpart* Registry::find_or_make(MPI_Comm comm) {
  Counterpart* counterpart = find(comm);
  if (counterpart == nullptr) {
    {
      const std::lock_guard lock(mutex_);
      if (finalized_) {
        return nullptr;
      }
    }
    int has_two_groups = 0;
    check_mpi(PMPI_Comm_test_inter(comm, &has_two_groups), "MPI_Comm_test_inter");
    auto made_now = has_two_groups != 0 || !lies_in_world(comm) ? std::make_unique<Counterpart>()
                                                                : std::make_unique<Counterpart>(comm, mode(), broken_);
    check_mpi(PMPI_Comm_set_attr(comm, key_, made_now.get()), "MPI_Comm_set_attr");
    counterpart = made_now.release();
    const std::lock_guard lock(mutex_);
    counterparts_.push_back(counterpart);
  }
  counterpart->begin_call(local_);
  return counterpart->usable() || counterpart->observation() != nullptr ? counterpart : nullptr;
}

void Registry::retire(MPI_Comm comm) {
  if (Counterpart* counterpart = find(comm)) {
    forget(counterpart);  // MPICH deletes it when the last message is through, in MPI_Finalize if need be
    retire(*counterpart);
  }
}

void Registry::retire(Counterpart& counterpart) noexcept {
  counterpart.retire([this](ObservedCommunicator observed) {
    const std::lock_guard lock(mutex_);
    if (observed_.size() < kObservedKept) {
      observed_.push_back(std::move(observed));
    } else {
      ++num_not_kept_;
    }
  });
}

int Registry::on_comm_delete(MPI_Comm /*comm*/, int /*key*/, void* counterpart, void* registry) {
  auto* mine = static_cast<Counterpart*>(counterpart);
  static_cast<Registry*>(registry)->forget(mine);
  static_cast<Registry*>(registry)->retire(*mine);
  delete mine;
  return MPI_SUCCESS;
}

int Registry::on_finalize(MPI_Comm /*self*/, int /*key*/, void* /*unused*/, void* registry) {
  static_cast<Registry*>(registry)->retire_all();
  return MPI_SUCCESS;
}

void Registry::forget(Counterpart* counterpart) noexcept {
  const std::lock_guard lock(mutex_);
  std::erase(counterparts_, counterpart);
}

void Registry::retire_all() noexcept {
  std::vector<Counterpart*> left;
  {
    const std::lock_guard lock(mutex_);
    finalized_ = true;
    left.swap(counterparts_);
  }
  for (Counterpart* counterpart : left) {
    retire(*counterpart);
  }
  await_departures();
  report();
  if (local_ != MPI_COMM_NULL) {
    PMPI_Comm_free(&local_);
  }
}

/// MPI goes on meanwhile: peers that are not yet here may still depend on its messages.
void Registry::await_departures() noexcept {
  if (local_ == MPI_COMM_NULL || all_departed_with_help()) {
    return;  // a rank that is broken has none
  }
  try {
    Progress progress(local_);
    while (!all_departed_with_help()) {
      progress.make();
    }
  } catch (const Failure& failure) {
    say(std::string("communicators are left: ") + failure.what());
  }
}

void Registry::report() noexcept {
  int rank = 0;
  PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
  try {
    write_report(observed_, rank);
    if (num_not_kept_ > 0) {
      say(std::to_string(num_not_kept_) + " more communicators were observed, which the report leaves out");
    }
    say_summary();
  } catch (const std::exception& error) {
    say(std::string("no report: ") + error.what());
  }
}

}  // namespace banyan::preload
