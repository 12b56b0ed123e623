// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/parse.hpp"
#include "topology/link_speed.hpp"
#include "topology/sources/sources.hpp"

namespace banyan::topology {
namespace {

/// One end's maximum rate: current_* is the idle speed of a link that trained down (open-mpi/hwloc#653).
double end_bandwidth(const std::string& folder) {
  const auto gt_per_s = parse_gt_per_s(read_line(folder + "/max_link_speed"));
  const auto width = parse::integer(read_line(folder + "/max_link_width"));
  if (!gt_per_s || !width || *width < 1 || *width > 64) {
    return 0;
  }
  return pci_bandwidth_bytes_per_s(*gt_per_s, static_cast<int>(*width));
}

}  // namespace

double read_pci_bandwidth(const std::string& sys_root, const std::string& pci) {
  const std::string folder = sys_root + "/bus/pci/devices/" + pci;
  const double device = end_bandwidth(folder);
  const double port = end_bandwidth(folder + "/..");  // the kernel resolves the link first: this is the upstream port
  return port > 0 && device > 0 ? std::min(device, port) : device;
}

int read_pci_numa(const std::string& sys_root, const std::string& pci) {
  const auto node = parse::integer(read_line(sys_root + "/bus/pci/devices/" + pci + "/numa_node"));
  return node && *node >= 0 && *node < 1 << 20 ? static_cast<int>(*node) : -1;
}

}  // namespace banyan::topology
