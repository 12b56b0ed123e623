// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "moe/targets/shape.hpp"

namespace banyan::moe {

/// The least transfer time that any share with the right rows and columns has: min over shares of max over limits of
/// load / rate. Exact but for rounding (1e-9): all tokens pass a flow network whose capacities grow with the time, in
/// which a pair's path turns where its ranks meet in the tree, and only there, so a flow is a share. Each minimum cut
/// gives the least time at which it is wide enough; the largest of them, found by Newton's method from below
/// (Radzik, Fractional combinatorial optimization, 1998), is the answer. 0 if nothing is limited.
[[nodiscard]] double least_time_s(const Shape& shape, const std::vector<Limit>& limits);

}  // namespace banyan::moe
