// SPDX-License-Identifier: Apache-2.0
#include "compare/links.hpp"

#include "common/environment.hpp"
#include "common/size_text.hpp"
#include "compare/mpi_api.hpp"

namespace banyan::perf {

std::vector<RankGroup> links_of(const std::string& lab_json_file, const std::string& bound_rate,
                                const std::vector<int>& host_of) {
  if (!lab_json_file.empty()) {
    return lab_groups(read_file(lab_json_file), gather_hostnames());
  }
  if (const auto rate = parse_rate_bytes_per_s(bound_rate)) {
    return host_groups(host_of, *rate);
  }
  return {};
}

}  // namespace banyan::perf
