// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "topology/graph.hpp"

namespace banyan::topology {

struct PackageFacts {
  int os_index = 0;
  std::string model;
  int num_cores = 0;
};

struct NumaFacts {
  int os_index = 0;
  int package = -1;  ///< position in HostFacts::packages, -1: spans several or none
  int num_cores = 0;
  uint64_t memory_bytes = 0;
};

/// Active NVLinks of one GPU to one remote end, added up.
struct NvlinkFacts {
  std::string remote_pci;
  bool to_switch = false;
  int count = 0;
  double bytes_per_s = 0;  ///< all of them together, one direction
};

struct GpuFacts {
  std::string name;
  std::string pci;  ///< "0000:18:00.0"
  std::string uuid;
  int numa = -1;  ///< OS index of its NUMA node; -1: unknown
  double pci_bytes_per_s = 0;
  std::vector<NvlinkFacts> nvlinks;
};

struct NicFacts {
  std::string name;
  std::string pci;    ///< empty for virtual interfaces
  std::string state;  ///< "up" or "down"
  std::string driver;
  std::string rdma;  ///< "mlx5_0:1"
  int mtu = 0;       ///< 0: unknown
  int numa = -1;     ///< OS index of its NUMA node; -1: unknown
  double pci_bytes_per_s = 0;
  double bytes_per_s = 0;  ///< 0: unknown
};

/// What the sources found out about this host; each source fills its part. A value.
struct HostFacts {
  std::string key;  ///< without "host:"
  std::string name;
  std::string memory_domain;  ///< ranks with equal text can share memory
  int num_cores = 0;
  std::vector<PackageFacts> packages;
  std::vector<NumaFacts> numas;
  std::vector<GpuFacts> gpus;
  std::vector<NicFacts> nics;
  int rank_numa = -1;     ///< OS index of the only NUMA node that this process may run on; -1: several
  int rank_package = -1;  ///< the same for packages
};

/// The graph of a host with one rank; its NICs hang on the implicit fabric.
[[nodiscard]] Graph host_graph(const HostFacts& facts);

}  // namespace banyan::topology
