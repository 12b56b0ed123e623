// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mpi.h>

#include "mpi/exchange.hpp"
#include "mpi/tally.hpp"

namespace banyan::preload {

/// Makes the exchange if it is Banyan's to make, and sets what the call returns. False, and counted, if it is MPI's.
bool taken(MPI_Comm comm, Call call, int& code);

/// Counts a call that is MPI's own because of its form, `name`; rank 0 of MPI_COMM_WORLD says so, once, where Banyan is
/// on.
void leave(Path path, const char* name);

/// Ends what belongs to `comm` before the program frees it.
void retire(const MPI_Comm* comm);

}  // namespace banyan::preload
