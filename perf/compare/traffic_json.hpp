// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/environment.hpp"
#include "common/traffic.hpp"

namespace banyan::perf {

/// Traffic as the two programs of a comparison hand it to each other.
[[nodiscard]] Json to_json(const Traffic& traffic);
/// Failure: no such traffic.
[[nodiscard]] Traffic traffic_from_json(const Json& json);

}  // namespace banyan::perf
