// SPDX-License-Identifier: Apache-2.0
#include "mpi/progress.hpp"

#include "mpi/failure.hpp"

namespace banyan::preload {

Progress::Progress(MPI_Comm local) { check_mpi(PMPI_Irecv(nullptr, 0, MPI_BYTE, 0, 0, local, &never_), "MPI_Irecv"); }

Progress::~Progress() {
  if (never_ != MPI_REQUEST_NULL) {
    PMPI_Cancel(&never_);
    PMPI_Wait(&never_, MPI_STATUS_IGNORE);
  }
}

void Progress::make() {
  // Not MPI_Iprobe: MPICH 4.0 answers it for a process alone without a look at anything else.
  int done = 0;
  check_mpi(PMPI_Test(&never_, &done, MPI_STATUS_IGNORE), "MPI_Test");
}

}  // namespace banyan::preload
