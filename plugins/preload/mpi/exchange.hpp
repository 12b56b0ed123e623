// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mpi.h>

#include "mpi/call.hpp"
#include "mpi/counterpart.hpp"

namespace banyan::preload {

/// Makes the exchange with Banyan, and lets MPI progress meanwhile. Blocks. Throws Failure; the peers then fail too.
void exchange(Counterpart& counterpart, const Call& call, MPI_Comm local);

}  // namespace banyan::preload
