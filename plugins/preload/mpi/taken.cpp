// SPDX-License-Identifier: Apache-2.0
#include "mpi/taken.hpp"

#include <atomic>
#include <exception>
#include <string>

#include "mpi/failure.hpp"
#include "mpi/mode.hpp"
#include "mpi/notice.hpp"
#include "mpi/registry.hpp"

namespace banyan::preload {
namespace {

/// A program may have sessions only, and then has no MPI_COMM_SELF, which the registry needs; and what it calls after
/// MPI_Finalize is MPI's to report.
bool is_world_there() {
  int initialized = 0, finalized = 0;
  return (has_registry() || (PMPI_Initialized(&initialized) == MPI_SUCCESS && initialized != 0)) &&
         PMPI_Finalized(&finalized) == MPI_SUCCESS && finalized == 0;
}

bool is_taken(MPI_Comm comm, Call& call, int& code, Observation*& observation) {
  if (comm == MPI_COMM_NULL || !is_world_there() || mode() == Mode::kOtherMpi) {
    return false;
  }
  if (call.in_place) {
    call.send = call.recv;
  }
  try {
    Counterpart* counterpart = registry().find_or_make(comm);
    if (counterpart == nullptr || !is_sound(call.send, counterpart->size()) ||
        !is_sound(call.recv, counterpart->size())) {
      return false;
    }
    observation = counterpart->observation();
    if (observation != nullptr) {
      return false;
    }
    exchange(*counterpart, call, registry().local());
    code = MPI_SUCCESS;
  } catch (const std::exception& error) {
    code = raise_error(comm, error);
  }
  return true;
}

}  // namespace

void arm() noexcept {
  try {
    if (mode() != Mode::kOtherMpi) {
      registry();
    }
  } catch (const std::exception&) {
    return;  // the first all-to-all tries again, and reports
  }
}

bool taken(MPI_Comm comm, Call& call, int& code, Observation*& observation) {
  if (is_taken(comm, call, code, observation)) {
    return true;
  }
  count(Path::kMpi);
  return false;
}

void note(Observation& observation, const Call& call, double seconds) {
  try {
    observation.add(call, seconds);
  } catch (const std::exception& error) {
    static std::atomic_flag said = ATOMIC_FLAG_INIT;
    if (!said.test_and_set()) {
      say(std::string("a call was not observed: ") + error.what());
    }
  }
}

void leave(Path path, const char* name) {
  static std::atomic_flag said = ATOMIC_FLAG_INIT;
  count(path);
  if (is_world_there() && mode() == Mode::kOn && !said.test_and_set()) {
    say_on_rank_0(std::string(name) + " is MPI's own: Banyan makes the blocking calls");
  }
}

void retire(const MPI_Comm* comm) {
  if (!has_registry() || !is_world_there() || comm == nullptr || *comm == MPI_COMM_NULL) {
    return;
  }
  try {
    registry().retire(*comm);
  } catch (const std::exception&) {
    return;  // MPI reports what is wrong with the communicator
  }
}

}  // namespace banyan::preload
