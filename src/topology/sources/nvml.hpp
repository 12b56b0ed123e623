// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "topology/host_facts.hpp"

namespace banyan::topology {

/// The part of NVML that is used, declared here so that no CUDA header is needed (nvml.h of CUDA 13, whose ABI for
/// these names is stable since CUDA 11). Functions return 0 for success.
struct NvmlApi {
  using Device = struct nvmlDevice_st*;

  /// nvmlPciInfo_t.
  struct PciInfo {
    char bus_id_legacy[16];
    unsigned domain;
    unsigned bus;
    unsigned device;
    unsigned pci_device_id;
    unsigned pci_subsystem_id;
    char bus_id[32];
  };

  int (*init)() = nullptr;
  int (*shutdown)() = nullptr;
  int (*device_count)(unsigned* count) = nullptr;
  int (*device_by_index)(unsigned index, Device* device) = nullptr;
  int (*device_name)(Device device, char* name, unsigned length) = nullptr;
  int (*device_uuid)(Device device, char* uuid, unsigned length) = nullptr;
  int (*device_pci)(Device device, PciInfo* pci) = nullptr;
  int (*compute_capability)(Device device, int* major, int* minor) = nullptr;
  int (*nvlink_state)(Device device, unsigned link, unsigned* is_active) = nullptr;
  int (*nvlink_remote_pci)(Device device, unsigned link, PciInfo* pci) = nullptr;
  int (*nvlink_version)(Device device, unsigned link, unsigned* version) = nullptr;                        ///< optional
  int (*nvlink_capability)(Device device, unsigned link, unsigned capability, unsigned* value) = nullptr;  ///< optional
  int (*nvlink_remote_type)(Device device, unsigned link, unsigned* type) = nullptr;                       ///< optional
};

/// libnvidia-ml.so.1's functions; nullopt without a driver or if a needed function is missing.
[[nodiscard]] std::optional<NvmlApi> load_nvml();

/// Completes the GPUs found by PCI class with name, UUID and NVLinks, and adds those that hwloc did not show.
void read_nvml(HostFacts& facts, const NvmlApi& nvml);

}  // namespace banyan::topology
