// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/traffic.hpp"

namespace banyan::perf {

/// Ranks behind one pair of directed links: a host behind its NICs, the hosts of a leaf switch behind its uplink.
struct RankGroup {
  std::vector<int> ranks;
  double egress_bytes_per_s = 0;   ///< 0: no limit
  double ingress_bytes_per_s = 0;  ///< 0: no limit
};

/// Seconds that no exchange of this traffic can beat: max over directed links of bytes that must cross / capacity
/// (design.md section 5, without latency). 0 when no link is limited.
[[nodiscard]] double lower_bound_s(const Traffic& traffic, const std::vector<RankGroup>& groups);

/// Bytes between ranks of different hosts; host_of: [num_ranks].
[[nodiscard]] uint64_t inter_host_bytes(const Traffic& traffic, const std::vector<int>& host_of);

/// One group per host, all with the same rate in both directions.
[[nodiscard]] std::vector<RankGroup> host_groups(const std::vector<int>& host_of, double rate_bytes_per_s);

/// Reads what `banyan-lab describe --json` prints: a group per node, and per leaf switch where its uplink is limited.
/// hostnames: [num_ranks], as the ranks see them. UsageError when a rank's host is not in the lab.
[[nodiscard]] std::vector<RankGroup> lab_groups(std::string_view lab_json, const std::vector<std::string>& hostnames);

/// Seconds for which the slowest link of that lab can pass more than its rate, after it was idle: its shaper's bucket
/// over its rate; 0 where no link has a rate. UsageError as lab_groups.
[[nodiscard]] double lab_bucket_s(std::string_view lab_json);

}  // namespace banyan::perf
