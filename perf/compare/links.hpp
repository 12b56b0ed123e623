// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "common/bound.hpp"

namespace banyan::perf {

/// The limited links of a run: of a file by 'banyan-lab describe --json', or every host's at one rate; of neither (both
/// empty) none. Collective. UsageError as lab_groups.
[[nodiscard]] std::vector<RankGroup> links_of(const std::string& lab_json_file, const std::string& bound_rate,
                                              const std::vector<int>& host_of);

}  // namespace banyan::perf
