// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mpi.h>

#include <cstdint>

#include "mpi/blocks.hpp"
#include "mpi/counterpart.hpp"

namespace banyan::preload {

/// What a program asks of MPI_Alltoall or MPI_Alltoallv.
struct Call {
  Side send;  ///< of a call in place: the receiving side again
  Side recv;
  bool in_place = false;
  bool uniform = false;  ///< MPI_Alltoall
};

/// Makes the exchange with Banyan, and lets MPI progress meanwhile. Blocks. Throws Failure; the peers then fail too.
void exchange(Counterpart& counterpart, const Call& call, MPI_Comm local);

/// Exchanges of this process that went through Banyan.
uint64_t num_exchanges() noexcept;

}  // namespace banyan::preload
