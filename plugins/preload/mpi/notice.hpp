// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace banyan::preload {

/// One line on stderr. Any thread.
void say(const std::string& text);

/// The same on rank 0 of MPI_COMM_WORLD alone.
void say_on_rank_0(const std::string& text);

}  // namespace banyan::preload
