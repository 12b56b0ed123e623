// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "topology/host_facts.hpp"

namespace banyan::topology {

/// An active port of /sys/class/infiniband.
struct RdmaPort {
  std::string name;  ///< "mlx5_0:1"
  std::string pci;
  int port = 1;
  int numa = -1;
  double bytes_per_s = 0;
  double pci_bytes_per_s = 0;
  std::vector<std::string> net_names;  ///< interfaces of the same device, of /sys/class/infiniband/X/device/net
  std::vector<int> net_ports;          ///< dev_port of each, from 0
};

/// Active RDMA ports, by name.
[[nodiscard]] std::vector<RdmaPort> read_rdma(const std::string& sys_root);

/// Notes each port at the interface it shares the cable with (the rate of the port wins), and adds ports without such
/// an interface as NICs of their own: all if `interface_names` is empty, else those named ("mlx5_0" or "mlx5_0:1").
void add_rdma(std::vector<NicFacts>& nics, const std::vector<RdmaPort>& ports,
              const std::vector<std::string>& interface_names);

}  // namespace banyan::topology
