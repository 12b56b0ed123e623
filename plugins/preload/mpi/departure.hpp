// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <banyan/banyan.h>

#include <functional>

#include "mpi/budget.hpp"

namespace banyan::preload {

/// Does what is last to be done with `comm`, if anything, and frees it, which waits until all its ranks do, and then
/// gives its place back, in a thread of its own: ranks may free communicators in different orders, and MPI must go on.
/// The thread sleeps, and ends with the communicator. Where no thread is to be had, it waits for one. Any thread.
void depart(banyan_comm* comm, Place place, std::function<void()> last) noexcept;

/// Looks for threads again, for what has none. Any thread.
void retry_departures() noexcept;

/// Whether all that depart() took are freed; waits a moment for it. Any thread.
bool all_departed() noexcept;

/// The same, in this thread where no other is to be had: may wait for as long as the other ranks let it.
bool all_departed_with_help() noexcept;

}  // namespace banyan::preload
