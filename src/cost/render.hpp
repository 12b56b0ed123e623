// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "cost/profile.hpp"

namespace banyan::cost {

/// Tables for a terminal: tiers, copy rates, hosts, racks, and the host-by-host rates of up to 16 hosts.
[[nodiscard]] std::string render_profile_text(const Profile& profile);

/// A self-contained heat map of the host-by-host rates, sender by row, with numbers in the cells and a legend; of more
/// hosts than kMaxHeatMapHosts the first. Below it each host's rates with all its ranks at work.
[[nodiscard]] std::string render_profile_svg(const Profile& profile);

inline constexpr size_t kMaxHeatMapHosts = 64;

}  // namespace banyan::cost
