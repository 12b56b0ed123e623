// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace banyan::preload {

enum class Mode : uint8_t { kOff, kOn };

/// What BANYAN_PRELOAD asks for, on unless it says otherwise; off under an MPI that this library was not built for, and
/// for an unknown value, both said once, by rank 0 of MPI_COMM_WORLD. Read at the first call; MPI must be initialised.
/// Any thread.
Mode mode();

}  // namespace banyan::preload
