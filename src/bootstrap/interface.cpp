// SPDX-License-Identifier: Apache-2.0
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <cerrno>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>

#include "base/error.hpp"
#include "base/parse.hpp"
#include "bootstrap/socket.hpp"

namespace banyan::bootstrap {
namespace {

struct Interface {
  std::string name;
  SocketAddress address;
  bool up = false;
  bool loopback = false;
};

bool is_usable(const sockaddr* address) {
  if (address == nullptr) {
    return false;
  }
  if (address->sa_family == AF_INET6) {
    return IN6_IS_ADDR_LINKLOCAL(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr) == 0;
  }
  return address->sa_family == AF_INET;
}

/// Every address of this host, in the kernel's order; link-local IPv6 is left out since peers would need a scope.
std::vector<Interface> interfaces() {
  ifaddrs* head = nullptr;
  if (::getifaddrs(&head) != 0) {
    throw Error(BANYAN_ERR_IO, "cannot list the network interfaces: " + errno_text(errno));
  }
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(head, &::freeifaddrs);
  std::vector<Interface> all;
  for (const ifaddrs* entry = head; entry != nullptr; entry = entry->ifa_next) {
    if (!is_usable(entry->ifa_addr)) {
      continue;
    }
    const socklen_t length = entry->ifa_addr->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    all.push_back({.name = entry->ifa_name,
                   .address = SocketAddress(entry->ifa_addr, length),
                   .up = (entry->ifa_flags & IFF_UP) != 0 && (entry->ifa_flags & IFF_RUNNING) != 0,
                   .loopback = (entry->ifa_flags & IFF_LOOPBACK) != 0});
  }
  return all;
}

template <typename Predicate>
std::optional<SocketAddress> first_address(const std::vector<Interface>& all, Predicate matches) {
  for (const int family : {AF_INET, AF_INET6}) {
    for (const Interface& candidate : all) {
      if (candidate.up && candidate.address.family() == family && matches(candidate)) {
        return candidate.address.with_port(0);
      }
    }
  }
  return std::nullopt;
}

/// The interface that /proc/net/route names for destination 0; empty if there is none.
std::string default_route_interface() {
  std::ifstream routes("/proc/net/route");
  std::string line;
  std::getline(routes, line);
  while (std::getline(routes, line)) {
    std::istringstream fields(line);
    std::string name;
    std::string destination;
    if (fields >> name >> destination && destination == "00000000") {
      return name;
    }
  }
  return {};
}

std::string list_names(const std::vector<Interface>& all) {
  std::string text;
  std::set<std::string> seen;
  for (const Interface& one : all) {
    if (seen.insert(one.name).second) {
      text += (text.empty() ? "" : ", ") + one.name + (one.up ? "" : " (down)");
    }
  }
  return text.empty() ? "none" : text;
}

}  // namespace

SocketAddress interface_address(const std::string& names) {
  const std::vector<Interface> all = interfaces();
  for (const std::string& piece : parse::split(names, ',')) {
    const std::string name(parse::trim(piece));
    const auto found =
        first_address(all, [&](const Interface& one) { return one.name == name || one.address.ip() == name; });
    if (found) {
      return *found;
    }
  }
  throw Error(BANYAN_ERR_NOT_FOUND, "no interface of \"" + names + "\" is up with an address on this host; it has: " +
                                        list_names(all) + ". Set BANYAN_INTERFACE or interface_name to one of them");
}

SocketAddress default_address() {
  const std::vector<Interface> all = interfaces();
  const std::string routed = default_route_interface();
  if (const auto found = first_address(all, [&](const Interface& one) { return one.name == routed; })) {
    return *found;
  }
  if (const auto found = first_address(all, [](const Interface& one) { return !one.loopback; })) {
    return *found;
  }
  if (const auto found = first_address(all, [](const Interface&) { return true; })) {
    return *found;
  }
  throw Error(BANYAN_ERR_NOT_FOUND, "no network interface of this host is up, not even loopback; it has: " +
                                        list_names(all) + ". Bring one up with: ip link set lo up");
}

bool is_local(const SocketAddress& address) {
  for (const Interface& one : interfaces()) {
    if (one.address.family() == address.family() && one.address.ip() == address.ip()) {
      return true;
    }
  }
  return address.is_loopback();
}

}  // namespace banyan::bootstrap
