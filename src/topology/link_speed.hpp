// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

/// Nominal bandwidths of buses, in bytes/s and one direction. Any thread.
namespace banyan::topology {

/// The number before "GT/s" in sysfs' and NCCL's link_speed texts ("16.0 GT/s PCIe", "32 GT/s"); nullopt if none.
[[nodiscard]] std::optional<double> parse_gt_per_s(std::string_view text);

/// A PCI Express link of `width` lanes: rate times line code (8b/10b up to 5 GT/s, 128b/130b up to 32, then 242/256 of
/// the flits; PCI Express Base Specification 6.0, chapter 4), without packet headers. 0 if either is 0.
[[nodiscard]] double pci_bandwidth_bytes_per_s(double gt_per_s, int width);

/// One NVLink of the GPU's generation, by compute capability (e.g. 90): NVLink 1: 20 GB/s, 2 and 3: 25 (14 on sm 86),
/// 4: 25, 5: 50 (NVIDIA architecture white papers P100 to B200). 0: unknown.
[[nodiscard]] double nvlink_bandwidth_bytes_per_s(int compute_capability);

}  // namespace banyan::topology
