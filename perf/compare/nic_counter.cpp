// SPDX-License-Identifier: Apache-2.0
#include "compare/nic_counter.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace banyan::perf {

uint64_t nic_bytes_sent(const std::string& class_net) {
  uint64_t total = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(class_net, error)) {
    if (entry.path().filename() == "lo") {
      continue;
    }
    std::ifstream file(entry.path() / "statistics" / "tx_bytes");
    uint64_t bytes = 0;
    if (file >> bytes) {
      total += bytes;
    }
  }
  return total;
}

HostCounter::HostCounter(int rank, const std::vector<int>& host_of)
    : reads_(std::find(host_of.begin(), host_of.end(), host_of[static_cast<size_t>(rank)]) - host_of.begin() == rank) {}

}  // namespace banyan::perf
