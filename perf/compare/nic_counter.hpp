// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace banyan::perf {

/// Bytes that this host's network interfaces have sent so far, loopback left out: the kernel's own count, protocol
/// headers included, the same for every library. Foreign traffic of the host counts too. 0 where /sys has none.
[[nodiscard]] uint64_t nic_bytes_sent(const std::string& class_net = "/sys/class/net");

}  // namespace banyan::perf
