// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace banyan::ucx {

/// Kinds of network that an address can be reached over, as a bit set.
inline constexpr uint16_t kFamilyInet = 1;
inline constexpr uint16_t kFamilyInet6 = 2;
inline constexpr uint16_t kFamilyRdma = 4;

/// The families of the interfaces that UCX will use: `interfaces` is a comma list of names ("eth0,mlx5_0:1"), empty for
/// all that are up. Failure{NOT_FOUND} names an interface of the list that does not exist or is down, and what there
/// is.
[[nodiscard]] uint16_t interface_families(const std::string& interfaces);

}  // namespace banyan::ucx
