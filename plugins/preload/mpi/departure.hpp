// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <banyan/banyan.h>

namespace banyan::preload {

/// Frees `comm`, which waits until all its ranks do, in a thread of its own: ranks may free communicators in different
/// orders, and MPI must go on. The thread sleeps, and ends with the communicator. Where no thread is to be had, it
/// waits for one. Any thread.
void depart(banyan_comm* comm) noexcept;

/// Whether all that depart() took are freed; waits a moment for it, or longer where no thread is to be had at all. Any
/// thread.
bool all_departed() noexcept;

}  // namespace banyan::preload
