// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace banyan::preload {

/// Where BANYAN_PRELOAD_SUMMARY asks for it: a line of rank 0 of MPI_COMM_WORLD on where its all-to-alls went.
void say_summary();

}  // namespace banyan::preload
