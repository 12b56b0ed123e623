// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace banyan::ucx {

/// What a rank tells its peers: the UCX worker address of each of its rails, and over which networks it is reached.
/// On the wire, little-endian: magic u32, version u8, number of rails u8, families u16, then per rail size u32 and bytes.
struct Address {
  uint16_t families = 0;
  std::vector<std::string> rails;

  friend bool operator==(const Address&, const Address&) = default;
};

[[nodiscard]] std::string encode(const Address& address);

/// Failure{NOT_SUPPORTED} for another transport's or version's bytes, Failure{INVALID_ARGUMENT} for a cut address.
[[nodiscard]] Address decode(const void* bytes, size_t size);

}  // namespace banyan::ucx
