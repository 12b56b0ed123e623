// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "banyan/comm.h"
#include "bootstrap/bootstrap.hpp"

namespace banyan::bootstrap {

/// Over an allgather that the caller of banyan_comm_create supplies; called on the calling thread only. The deadline
/// cannot interrupt the callback: it is checked when the callback returns. `context` must outlive the bootstrap.
/// Error{INVALID_ARGUMENT}: no callback, or rank and size that cannot be. allgather() throws IO naming the callback's
/// value.
[[nodiscard]] std::unique_ptr<Bootstrap> make_callback_bootstrap(int rank, int size, banyan_allgather_fn allgather,
                                                                 void* context);

/// INVALID_ARGUMENT unless 0 <= rank < size.
void check_rank_and_size(int rank, int size);

}  // namespace banyan::bootstrap
