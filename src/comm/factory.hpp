// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "banyan/comm.h"
#include "comm/communicator.hpp"
#include "comm/settings.hpp"

/// The ways to make a communicator; see include/banyan/comm.h. All are collective and throw Error.
namespace banyan::comm {

[[nodiscard]] std::unique_ptr<Communicator> create_from_id(const banyan_unique_id& id, int rank, int size,
                                                           const Settings& settings);
[[nodiscard]] std::unique_ptr<Communicator> create_with_callback(int rank, int size, banyan_allgather_fn allgather,
                                                                 void* context, const Settings& settings);
[[nodiscard]] std::unique_ptr<Communicator> create_from_environment(const Settings& settings);

/// Ranks as threads of this process, communicator r with settings[r]. Not collective: makes all of them, on threads of
/// its own.
[[nodiscard]] std::vector<std::unique_ptr<Communicator>> create_local(const std::vector<Settings>& settings);

/// Null for a negative color.
[[nodiscard]] std::unique_ptr<Communicator> split(Communicator& parent, int color, int key);

}  // namespace banyan::comm
