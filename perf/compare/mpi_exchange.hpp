// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "compare/local_player.hpp"
#include "compare/mpi_api.hpp"

namespace banyan::perf {

/// MPI_Alltoall, or MPI_Alltoallv where the traffic is not uniform. All arguments are borrowed. Failure: counts beyond
/// int.
[[nodiscard]] std::unique_ptr<PreparedExchange> make_mpi_exchange(MPI_Comm comm, const Traffic& traffic,
                                                                  ExchangeBuffers& buffers);

}  // namespace banyan::perf
