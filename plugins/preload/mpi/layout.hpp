// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mpi.h>

#include <cstdint>
#include <optional>

namespace banyan::preload {

/// The bytes of one element of `type`, if they lie in a row from the element's address on and in the order in which MPI
/// takes them; nothing if they do not, or where that takes long to find out. Size and extent do not tell: an indexed
/// type may have its parts in any order. Throws Failure.
std::optional<int64_t> run_of(MPI_Datatype type);

}  // namespace banyan::preload
