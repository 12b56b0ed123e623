// SPDX-License-Identifier: Apache-2.0
#include "topology/discover.hpp"

#include <mutex>

#include "base/parse.hpp"
#include "topology/host_facts.hpp"
#include "topology/sources/nvml.hpp"
#include "topology/sources/sources.hpp"

namespace banyan::topology {
namespace {

/// "eth0, eth1" as names; blanks and empty pieces are dropped.
std::vector<std::string> interface_list(const std::string& text) {
  std::vector<std::string> names;
  for (const std::string& piece : parse::split(text, ',')) {
    if (const std::string_view name = parse::trim(piece); !name.empty()) {
      names.emplace_back(name);
    }
  }
  return names;
}

}  // namespace

Graph discover_host(const DiscoverOptions& options) {
  // libudev, which hwloc may use, has process-wide state without a lock (seen by ThreadSanitizer in version 252).
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  const SystemRoots roots;
  HostFacts facts;
  read_identity(facts, roots, options.host_id);
  read_hwloc(facts, {});
  read_sysfs_net(facts, roots.sys, interface_list(options.interface_name));
  if (const auto nvml = load_nvml()) {
    read_nvml(facts, *nvml);
  }
  for (GpuFacts& gpu : facts.gpus) {
    const double nominal = read_pci_bandwidth(roots.sys, gpu.pci);
    gpu.pci_bytes_per_s = nominal > 0 ? nominal : gpu.pci_bytes_per_s;
    gpu.numa = gpu.numa == -1 ? read_pci_numa(roots.sys, gpu.pci) : gpu.numa;
  }
  Graph graph = host_graph(facts);
  const std::string broken = check(graph);
  BANYAN_CHECK(broken.empty(), broken);
  return graph;
}

}  // namespace banyan::topology
