// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mpi.h>

namespace banyan::preload {

/// Collective over `comm`. Whether its ranks on this host outnumber the cores that they may run on, all together; or
/// what BANYAN_SPIN says.
bool outnumber_cores(MPI_Comm comm);

}  // namespace banyan::preload
