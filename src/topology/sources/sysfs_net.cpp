// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <net/if.h>
#include <net/if_arp.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/parse.hpp"
#include "topology/names.hpp"
#include "topology/sources/rdma.hpp"
#include "topology/sources/sources.hpp"

namespace banyan::topology {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxInterfaces = 4096;

bool exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

/// Names in a folder, sorted; none if it can not be read.
std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error);
       !error && entry != fs::directory_iterator() && names.size() < kMaxInterfaces; entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool is_pci_address(std::string_view text) {
  constexpr std::string_view kShape = "xxxx:xx:xx.x";
  return text.size() == kShape.size() && std::equal(text.begin(), text.end(), kShape.begin(), [](char c, char shape) {
           return shape == 'x' ? std::isxdigit(static_cast<unsigned char>(c)) != 0 : c == shape;
         });
}

std::string link_name(const std::string& path) {
  std::error_code error;
  return fs::read_symlink(path, error).filename().string();
}

/// Drivers of the Ethernet gadget that a management controller shows to its host: it leads nowhere else.
bool is_management(const std::string& driver) { return driver == "cdc_ether" || driver == "rndis_host"; }

/// DEVTYPE of the interface's uevent file: "bridge", "vlan", "bond", "macvlan", ...; empty for plain Ethernet and veth.
std::string device_type(const std::string& folder) {
  // uevent has several lines; the first that matters is DEVTYPE= and, when present, it comes first.
  const std::string line = read_line(folder + "/uevent");
  constexpr std::string_view kPrefix = "DEVTYPE=";
  return line.starts_with(kPrefix) ? line.substr(kPrefix.size()) : "";
}

/// Mbit/s of the file, as bytes/s; -1 and unreadable (EINVAL) mean unknown.
double speed_of(const std::string& folder) {
  const auto mbit = parse::integer(read_line(folder + "/speed"));
  return mbit && *mbit > 0 && *mbit < 100'000'000 ? static_cast<double>(*mbit) * 1e6 / 8 : 0;
}

/// The inner end of a virtual pair (veth, macvlan, ipvlan), as containers and network namespaces have it. The peer's
/// index may by chance equal the own one, so a veth is also known by its nominal speed, which dummy and ifb lack.
bool is_virtual_end(const std::string& folder) {
  const std::string kind = device_type(folder);
  if (kind == "macvlan" || kind == "ipvlan") {
    return true;
  }
  const bool plain = kind.empty() && read_line(folder + "/type") == std::to_string(ARPHRD_ETHER);
  const bool paired = read_line(folder + "/iflink") != read_line(folder + "/ifindex") || speed_of(folder) > 0;
  return plain && paired && !exists(folder + "/brport") && !exists(folder + "/tun_flags");
}

/// Whether data can leave the host through this interface and no other interface of the list carries the same data:
/// devices, bonds (not their slaves), and the inner ends of virtual pairs.
bool leads_out(const std::string& folder, const NicFacts& nic) {
  const auto flags = std::strtoul(read_line(folder + "/flags").c_str(), nullptr, 16);
  if (read_line(folder + "/type") == std::to_string(ARPHRD_LOOPBACK) || (flags & IFF_LOOPBACK) != 0 ||
      is_management(nic.driver) || exists(folder + "/bridge") || exists(folder + "/bonding_slave")) {
    return false;
  }
  return exists(folder + "/device") || exists(folder + "/bonding") || is_virtual_end(folder);
}

std::string state_of(const std::string& folder) {
  const std::string state = read_line(folder + "/operstate");
  const bool carrier = read_line(folder + "/carrier") == "1";
  return state == "up" || (state == "unknown" && carrier) ? "up" : "down";
}

NicFacts read_interface(const std::string& sys_root, const std::string& name) {
  const std::string folder = sys_root + "/class/net/" + name;
  NicFacts nic;
  nic.name = to_plain_text(name, 64);
  nic.state = state_of(folder);
  nic.bytes_per_s = speed_of(folder);
  nic.driver = link_name(folder + "/device/driver");
  if (!exists(folder + "/device") && is_virtual_end(folder)) {
    const std::string kind = device_type(folder);
    nic.driver = kind.empty() ? "veth" : kind;
  }
  const auto mtu = parse::integer(read_line(folder + "/mtu"));
  nic.mtu = mtu && *mtu > 0 && *mtu < 1 << 30 ? static_cast<int>(*mtu) : 0;
  std::error_code error;
  for (const fs::path& part : fs::canonical(folder + "/device", error)) {
    nic.pci = is_pci_address(part.string()) ? part.string() : nic.pci;  // the last: the device, not its bridges
  }
  if (!nic.pci.empty()) {
    nic.pci_bytes_per_s = read_pci_bandwidth(sys_root, nic.pci);
    nic.numa = read_pci_numa(sys_root, nic.pci);
  }
  return nic;
}

[[noreturn]] void reject_missing(const std::string& name, const std::vector<std::string>& present) {
  throw Error(BANYAN_ERR_NOT_FOUND, fmt::format("network interface \"{}\" does not exist here; there are {}",
                                                to_plain_text(name, 64), fmt::join(present, ", ")));
}

}  // namespace

void read_sysfs_net(HostFacts& facts, const std::string& sys_root, const std::vector<std::string>& interface_names) {
  const std::vector<std::string> present = names_in(sys_root + "/class/net");
  std::vector<NicFacts> nics;
  for (const std::string& name : present) {
    NicFacts nic = read_interface(sys_root, name);
    for (const NicFacts& known : facts.nics) {
      nic.numa = known.name == nic.name && known.numa != -1 ? known.numa : nic.numa;
    }
    const bool named = std::find(interface_names.begin(), interface_names.end(), name) != interface_names.end();
    const bool outward = nic.state == "up" && leads_out(sys_root + "/class/net/" + name, nic);
    if (interface_names.empty() ? outward : named) {
      nics.push_back(std::move(nic));
    }
  }
  add_rdma(nics, read_rdma(sys_root), interface_names);
  for (const std::string& name : interface_names) {
    const auto is_it = [&](const NicFacts& nic) {
      return nic.name == name || nic.rdma == name || nic.rdma.substr(0, nic.rdma.find(':')) == name;
    };
    if (std::none_of(nics.begin(), nics.end(), is_it)) {
      reject_missing(name, present);
    }
  }
  facts.nics = std::move(nics);
}

}  // namespace banyan::topology
