// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mpi.h>

#include <concepts>

#include "mpi/exchange.hpp"
#include "mpi/observation.hpp"
#include "mpi/tally.hpp"

namespace banyan::preload {

/// To be called when MPI_Init is through: the library comes before all that the program keeps with MPI_COMM_SELF, and
/// so goes after it, on every rank.
void arm() noexcept;

/// Makes the exchange if it is Banyan's to make, and sets what the call returns. False, and counted, if it is MPI's;
/// sets `observation` if it is looked at.
bool taken(MPI_Comm comm, Call& call, int& code, Observation*& observation);

/// Notes in `observation` a call that MPI made.
void note(Observation& observation, const Call& call, double seconds);

/// Makes the call with Banyan, or with `original`; returns what that returned.
template <std::invocable Original>
int serve(MPI_Comm comm, Call call, const Original& original) {
  int code = MPI_SUCCESS;
  Observation* observation = nullptr;
  if (taken(comm, call, code, observation)) {
    return code;
  }
  if (observation == nullptr) {
    return original();
  }
  const double begin = PMPI_Wtime();
  code = original();
  note(*observation, call, PMPI_Wtime() - begin);
  return code;
}

/// Counts a call that is MPI's own because of its form, `name`; rank 0 of MPI_COMM_WORLD says so, once, where Banyan is
/// on.
void leave(Path path, const char* name);

/// Ends what belongs to `comm` before the program frees it.
void retire(const MPI_Comm* comm);

}  // namespace banyan::preload
