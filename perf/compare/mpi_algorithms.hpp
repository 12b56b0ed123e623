// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "compare/mpi_api.hpp"

namespace banyan::perf {

/// A communicator on which Open MPI runs one of coll/tuned's algorithms ("default": its own decision).
///
/// coll/tuned reads its algorithm when a communicator is made and never again (open-mpi/ompi#12602). So the tool
/// interface's variable coll_tuned_alltoall(v)_algorithm is set before each MPI_Comm_dup. That the named function then
/// runs is checked by tests/perf/algorithm_spy.c.
struct AlgorithmComm {
  std::string algorithm;
  MpiComm comm;
};

/// The default decision, then every algorithm that works for the parent's number of ranks. With `variable`, of the
/// all-to-all-v. Only the default where the MPI library has no such variable; `warning` then says so. With `wanted`,
/// only those: Failure if one of them is not among them. Collective.
[[nodiscard]] std::vector<AlgorithmComm> algorithm_comms(bool variable, const std::vector<std::string>& wanted,
                                                         std::string& warning, MPI_Comm parent = MPI_COMM_WORLD);

}  // namespace banyan::perf
