// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace banyan::ucx {

/// What a rank tells its peers: who it is, over which networks it is reached, and the UCX worker address of each rail.
/// On the wire, little-endian: magic u32, version u8, number of rails u8, families u16, communicator u64, rank u32, per
/// rail size u32 and bytes, then a checksum u64 over all before. UCX believes any bytes that it is given.
struct Address {
  uint16_t families = 0;
  uint64_t comm_id = 0;
  int rank = 0;
  std::vector<std::string> rails;

  friend bool operator==(const Address&, const Address&) = default;
};

[[nodiscard]] std::string encode(const Address& address);

/// Failure{NOT_SUPPORTED} for another transport's or version's bytes, Failure{INVALID_ARGUMENT} for damaged ones.
[[nodiscard]] Address decode(const void* bytes, size_t size);

}  // namespace banyan::ucx
