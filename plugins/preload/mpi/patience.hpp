// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mpi.h>

#include <cstdint>

namespace banyan::preload {

/// How many blocking all-to-alls of `comm` are MPI's before Banyan is made for it, if it is up to this rank:
/// BANYAN_PRELOAD_AFTER. A value that is no number is said by rank 0 of MPI_COMM_WORLD, and does not count. Any thread.
int64_t calls_before_banyan(MPI_Comm comm);

}  // namespace banyan::preload
