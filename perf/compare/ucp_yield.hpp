// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace banyan::perf {

/// From now on a rank of an MPICH over UCX gives its core away whenever it finds nothing to do, as Open MPI does with
/// mpi_yield_when_idle: without it, ranks that outnumber the cores measure the scheduler. Failure: not over UCX.
void yield_in_ucp_progress();

}  // namespace banyan::perf
