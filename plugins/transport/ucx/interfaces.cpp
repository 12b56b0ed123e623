// SPDX-License-Identifier: Apache-2.0
#include "ucx/interfaces.hpp"

#include <ifaddrs.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cerrno>
#include <filesystem>
#include <map>
#include <sstream>
#include <system_error>

#include "ucx/status.hpp"

namespace banyan::ucx {
namespace {

constexpr const char* kRdmaDevices = "/sys/class/infiniband";

using Families = std::map<std::string, uint16_t>;

void add_ip_interfaces(Families& families) {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) {
    throw Failure{BANYAN_ERR_IO, "getifaddrs: " + std::system_category().message(errno)};
  }
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || (entry->ifa_flags & IFF_UP) == 0) {
      continue;
    }
    if (entry->ifa_addr->sa_family == AF_INET) {
      families[entry->ifa_name] |= kFamilyInet;
    } else if (entry->ifa_addr->sa_family == AF_INET6) {
      families[entry->ifa_name] |= kFamilyInet6;
    }
  }
  freeifaddrs(list);
}

void add_rdma_devices(Families& families) {
  std::error_code ignored;  // the folder exists only where there are such devices
  for (const auto& entry : std::filesystem::directory_iterator(kRdmaDevices, ignored)) {
    families[entry.path().filename().string()] |= kFamilyRdma;
  }
}

std::string names(const Families& families) {
  std::string text;
  for (const auto& [name, bits] : families) {
    text += " " + name;
  }
  return text.empty() ? " none" : text;
}

}  // namespace

uint16_t interface_families(const std::string& interfaces) {
  Families families;
  add_ip_interfaces(families);
  add_rdma_devices(families);
  uint16_t result = 0;
  if (interfaces.empty()) {
    for (const auto& [name, bits] : families) {
      result = static_cast<uint16_t>(result | bits);
    }
    return result;
  }
  std::istringstream list(interfaces);
  for (std::string name; std::getline(list, name, ',');) {
    const auto found = families.find(name.substr(0, name.find(':')));
    if (found == families.end()) {
      throw Failure{BANYAN_ERR_NOT_FOUND,
                    "interface " + name + " does not exist, is down or has no address; there are:" + names(families)};
    }
    result = static_cast<uint16_t>(result | found->second);
  }
  return result;
}

}  // namespace banyan::ucx
