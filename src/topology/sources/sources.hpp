// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "topology/host_facts.hpp"

/// Where the facts about this host come from. Each function fills its part of HostFacts; folders and inputs are
/// arguments so that recorded ones can be replayed. Any thread.
namespace banyan::topology {

/// Where the kernel's files are.
struct SystemRoots {
  std::string sys = "/sys";
  std::string proc = "/proc";
  std::string shm = "/dev/shm";
};

/// What hwloc reads: this machine, or an XML text that hwloc exported (a fixture; not for untrusted input).
struct HwlocInput {
  std::string xml;                ///< empty: this machine
  std::vector<int> allowed_cpus;  ///< with `xml`: where the process may run; empty: everywhere
};

/// Packages, NUMA nodes, GPUs by PCI class, network interfaces by name and place, and where this process may run
/// (sched_getaffinity). Error{IO} if hwloc fails.
void read_hwloc(HostFacts& facts, const HwlocInput& input);

/// Network interfaces of /sys/class/net and RDMA ports of /sys/class/infiniband. `interface_names` empty: all that are
/// up and lead out of the host, else exactly these. Error{NOT_FOUND} names those that do not exist and those that do.
/// Keeps the NUMA nodes that hwloc found for interfaces of the same name.
void read_sysfs_net(HostFacts& facts, const std::string& sys_root, const std::vector<std::string>& interface_names);

/// Nominal bandwidth of the PCI link of a device, the slower end's maximum; 0: unknown.
[[nodiscard]] double read_pci_bandwidth(const std::string& sys_root, const std::string& pci);
/// NUMA node of a PCI device; -1: unknown.
[[nodiscard]] int read_pci_numa(const std::string& sys_root, const std::string& pci);

/// Name, key and memory domain of this host. `host_id` empty: from host name, boot id and network namespace.
void read_identity(HostFacts& facts, const SystemRoots& roots, const std::string& host_id);

/// First line of a small file without its newline; empty if it can not be read.
[[nodiscard]] std::string read_line(const std::string& path);

}  // namespace banyan::topology
