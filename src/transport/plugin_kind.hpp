// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "banyan/transport_plugin.h"
#include "base/plugins.hpp"

namespace banyan::transport {

/// A table may end after any member from register_memory on: what comes later is optional.
inline constexpr plugins::Kind kTransportPlugins{.noun = "transport",
                                                 .query = BANYAN_TRANSPORT_QUERY_SYMBOL,
                                                 .newest = BANYAN_TRANSPORT_ABI_VERSION,
                                                 .required_bytes = offsetof(banyan_transport_ops, register_memory),
                                                 .own = "inproc,shm"};

}  // namespace banyan::transport
