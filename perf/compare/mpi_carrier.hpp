// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "compare/mpi_algorithms.hpp"
#include "layer/rows_way.hpp"

namespace banyan::perf {

/// MPI_Alltoall and MPI_Alltoallv over a communicator on which one of Open MPI's algorithms runs: "openmpi:pairwise".
/// A row is one element of a contiguous type. Failure: counts beyond int.
[[nodiscard]] std::unique_ptr<Carrier> make_mpi_carrier(AlgorithmComm comm, const Layer& layer);

}  // namespace banyan::perf
