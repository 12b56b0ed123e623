// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "compare/local_player.hpp"
#include "compare/mpi_api.hpp"

namespace banyan::perf {

/// By which name MPI's functions are called.
enum class Entry {
  kMpi,      ///< PMPI_...: MPI itself, whatever is loaded before it
  kProgram,  ///< MPI_..., as programs do, which a library that is loaded before MPI takes
};

/// An all-to-all, or an all-to-all-v where the traffic is not uniform. All arguments are borrowed. Failure: counts
/// beyond int.
[[nodiscard]] std::unique_ptr<PreparedExchange> make_mpi_exchange(MPI_Comm comm, const Traffic& traffic,
                                                                  ExchangeBuffers& buffers, Entry entry = Entry::kMpi);

}  // namespace banyan::perf
