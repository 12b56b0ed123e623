// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "layer/layer.hpp"
#include "layer/way.hpp"

namespace banyan::perf {

/// "auto", "none", "rank", "node", "tier": a banyan_moe_dedup. UsageError: none of these.
[[nodiscard]] int parse_dedup(const std::string& text);

/// banyan/moe.h with that banyan_moe_dedup, named as it is used: "node", "auto: node". Collective. Borrows both.
[[nodiscard]] std::unique_ptr<Way> make_group_way(banyan_comm* comm, const Layer& layer, int dedup);

}  // namespace banyan::perf
