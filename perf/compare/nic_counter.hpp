// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace banyan::perf {

/// Bytes that this host's network interfaces have sent so far, loopback left out: the kernel's own count, protocol
/// headers included, the same for every library. Foreign traffic of the host counts too. 0 where /sys has none.
[[nodiscard]] uint64_t nic_bytes_sent(const std::string& class_net = "/sys/class/net");

/// Reads it on one rank of each host and gives 0 on others, so that a sum over ranks counts each host once.
class HostCounter {
 public:
  /// host_of: [num_ranks].
  HostCounter(int rank, const std::vector<int>& host_of);
  [[nodiscard]] uint64_t read() const { return reads_ ? nic_bytes_sent() : 0; }

 private:
  bool reads_;
};

}  // namespace banyan::perf
