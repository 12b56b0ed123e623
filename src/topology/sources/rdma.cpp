// SPDX-License-Identifier: Apache-2.0
#include "topology/sources/rdma.hpp"

#include <algorithm>
#include <filesystem>

#include "base/parse.hpp"
#include "topology/names.hpp"
#include "topology/sources/sources.hpp"

namespace banyan::topology {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxPorts = 1024;

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error);
       !error && entry != fs::directory_iterator() && names.size() < kMaxPorts; entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// "200 Gb/sec (4X HDR)" as bytes/s; 0 if it is something else.
double parse_rate(const std::string& text) {
  const size_t unit = text.find(" Gb/sec");
  const auto gbit = parse::real(text.substr(0, unit));
  return unit != std::string::npos && gbit && *gbit > 0 && *gbit < 1e5 ? *gbit * 1e9 / 8 : 0;
}

RdmaPort read_port(const std::string& sys_root, const std::string& device, int port) {
  const std::string folder = sys_root + "/class/infiniband/" + device;
  RdmaPort result;
  result.name = to_plain_text(device, 64) + ":" + std::to_string(port);
  result.port = port;
  result.bytes_per_s = parse_rate(read_line(folder + "/ports/" + std::to_string(port) + "/rate"));
  std::error_code error;
  result.pci = fs::canonical(folder + "/device", error).filename().string();
  if (!result.pci.empty()) {
    result.numa = read_pci_numa(sys_root, result.pci);
    result.pci_bytes_per_s = read_pci_bandwidth(sys_root, result.pci);
  }
  for (const std::string& net : names_in(folder + "/device/net")) {
    const auto dev_port = parse::integer(read_line(folder + "/device/net/" + net + "/dev_port"));
    result.net_names.push_back(net);
    result.net_ports.push_back(dev_port && *dev_port >= 0 && *dev_port < 256 ? static_cast<int>(*dev_port) : 0);
  }
  return result;
}

/// The interface on the port's cable: of the same device and port.
NicFacts* find_interface(std::vector<NicFacts>& nics, const RdmaPort& port) {
  for (NicFacts& nic : nics) {
    for (size_t i = 0; i < port.net_names.size(); ++i) {
      if (nic.name == port.net_names[i] && port.net_ports[i] == port.port - 1) {
        return &nic;
      }
    }
  }
  return nullptr;
}

bool is_wanted(const RdmaPort& port, const std::vector<std::string>& names) {
  const std::string device = port.name.substr(0, port.name.find(':'));
  return names.empty() || std::any_of(names.begin(), names.end(),
                                      [&](const std::string& name) { return name == port.name || name == device; });
}

}  // namespace

std::vector<RdmaPort> read_rdma(const std::string& sys_root) {
  std::vector<RdmaPort> ports;
  for (const std::string& device : names_in(sys_root + "/class/infiniband")) {
    for (const std::string& number : names_in(sys_root + "/class/infiniband/" + device + "/ports")) {
      const auto port = parse::integer(number);
      const std::string state = read_line(sys_root + "/class/infiniband/" + device + "/ports/" + number + "/state");
      if (port && *port >= 1 && *port <= 255 && state.ends_with("ACTIVE")) {
        ports.push_back(read_port(sys_root, device, static_cast<int>(*port)));
      }
    }
  }
  return ports;
}

void add_rdma(std::vector<NicFacts>& nics, const std::vector<RdmaPort>& ports,
              const std::vector<std::string>& interface_names) {
  for (const RdmaPort& port : ports) {
    if (NicFacts* nic = find_interface(nics, port); nic != nullptr) {
      nic->rdma = port.name;
      nic->bytes_per_s = port.bytes_per_s > 0 ? port.bytes_per_s : nic->bytes_per_s;
    } else if (is_wanted(port, interface_names)) {
      NicFacts own;
      own.name = own.rdma = port.name;
      own.pci = port.pci;
      own.state = "up";
      own.numa = port.numa;
      own.pci_bytes_per_s = port.pci_bytes_per_s;
      own.bytes_per_s = port.bytes_per_s;
      nics.push_back(std::move(own));
    }
  }
}

}  // namespace banyan::topology
