// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "mpi/side.hpp"

namespace banyan::preload {

/// What a program asks of MPI_Alltoall and its relatives.
struct Call {
  Side send;  ///< of a call in place: the receiving side again
  Side recv;
  bool in_place = false;
  bool uniform = false;  ///< MPI_Alltoall: all blocks of a side are alike
};

}  // namespace banyan::preload
