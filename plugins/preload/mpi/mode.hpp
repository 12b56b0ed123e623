// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace banyan::preload {

/// In the order of what they let Banyan do: of ranks that differ, the least counts.
enum class Mode : uint8_t { kOtherMpi, kOff, kObserve, kOn };

/// What BANYAN_PRELOAD asks of this rank, on unless it says otherwise; off for an unknown value, which rank 0 of
/// MPI_COMM_WORLD says. kOtherMpi: the program's MPI is not the one that this library was built for, so nothing can be
/// asked of it, which every rank says unless the library is off anyway. Read at the first call; MPI must be
/// initialised. Any thread.
Mode mode();

}  // namespace banyan::preload
