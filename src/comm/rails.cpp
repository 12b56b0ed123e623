// SPDX-License-Identifier: Apache-2.0
#include "comm/rails.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <sstream>

#include "base/parse.hpp"

namespace banyan::comm {
namespace {

/// A rail slower than this share of the fastest is left alone: what it adds is less than what a wrong nominal speed,
/// or a network for management, costs.
constexpr double kLeastShare = 0.125;
/// Messages after which the pattern repeats, where rates differ.
constexpr size_t kPatternLength = 16;

std::string text_of(in_addr address) {
  char text[INET_ADDRSTRLEN] = {};
  return inet_ntop(AF_INET, &address, text, sizeof text) != nullptr ? text : "";
}

/// Mbit/s of sysfs, as bytes/s; 0: unknown.
double speed_of(const std::string& name) {
  std::ifstream file("/sys/class/net/" + name + "/speed");
  std::string line;
  std::getline(file, line);
  const auto mbit = parse::integer(line);
  return mbit && *mbit > 0 ? static_cast<double>(*mbit) * 1e6 / 8 : 0;
}

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

bool has_rdma() {
  std::error_code ignored;
  const std::filesystem::directory_iterator devices("/sys/class/infiniband", ignored);
  return !ignored && devices != std::filesystem::directory_iterator();
}

std::optional<Interface> usable(const ifaddrs& entry) {
  constexpr unsigned kWanted = IFF_UP | IFF_RUNNING;
  const bool is_ip = entry.ifa_addr != nullptr && entry.ifa_addr->sa_family == AF_INET && entry.ifa_netmask != nullptr;
  if (!is_ip || (entry.ifa_flags & kWanted) != kWanted || (entry.ifa_flags & IFF_LOOPBACK) != 0 ||
      exists("/sys/class/net/" + std::string(entry.ifa_name) + "/bridge")) {
    return std::nullopt;
  }
  const in_addr address = reinterpret_cast<const sockaddr_in*>(entry.ifa_addr)->sin_addr;
  const in_addr mask = reinterpret_cast<const sockaddr_in*>(entry.ifa_netmask)->sin_addr;
  const in_addr network{address.s_addr & mask.s_addr};
  return Interface{entry.ifa_name, text_of(network) + "/" + std::to_string(std::popcount(mask.s_addr)),
                   text_of(address), speed_of(entry.ifa_name)};
}

/// What is known of a subnet.
struct Network {
  std::string subnet;
  double slowest = std::numeric_limits<double>::infinity();
};

/// nullopt: some rank is not in it, or two hosts have the same address there.
std::optional<Network> network_of(const std::string& subnet, const std::vector<std::vector<Interface>>& interfaces,
                                  const std::vector<int>& hosts) {
  Network network{.subnet = subnet};
  std::map<std::string, int> host_of_address;
  for (size_t rank = 0; rank < interfaces.size(); ++rank) {
    const auto own = std::find_if(interfaces[rank].begin(), interfaces[rank].end(),
                                  [&](const Interface& interface) { return interface.subnet == subnet; });
    if (own == interfaces[rank].end() ||
        host_of_address.try_emplace(own->address, hosts[rank]).first->second != hosts[rank]) {
      return std::nullopt;
    }
    network.slowest = std::min(network.slowest, own->bytes_per_s > 0 ? own->bytes_per_s : network.slowest);
  }
  return network;
}

/// Each place goes to the rail that is furthest behind its share.
std::vector<int> pattern_of(const std::vector<double>& rates) {
  const bool equal = std::all_of(rates.begin(), rates.end(), [&](double rate) { return rate == rates[0]; });
  const double sum = std::accumulate(rates.begin(), rates.end(), 0.0);
  std::vector<int> pattern;
  std::vector<double> given(rates.size());
  const size_t length = equal ? rates.size() : kPatternLength;
  while (pattern.size() < length) {
    size_t next = 0;
    double furthest = -std::numeric_limits<double>::infinity();
    for (size_t rail = 0; rail < rates.size(); ++rail) {
      const double behind = rates[rail] / sum * static_cast<double>(pattern.size() + 1) - given[rail];
      if (behind > furthest + 1e-9) {
        furthest = behind;
        next = rail;
      }
    }
    given[next] += 1;
    pattern.push_back(static_cast<int>(next));
  }
  return pattern;
}

}  // namespace

std::vector<Interface> own_interfaces(const std::string& wanted) {
  std::vector<Interface> interfaces;
  ifaddrs* list = nullptr;
  if (has_rdma() || getifaddrs(&list) != 0) {
    return interfaces;
  }
  const auto names = parse::split(wanted, ',');
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    auto interface = usable(*entry);
    if (interface && (wanted.empty() || std::find(names.begin(), names.end(), interface->name) != names.end())) {
      interfaces.push_back(std::move(*interface));
    }
  }
  freeifaddrs(list);
  return interfaces;
}

std::string to_text(const std::vector<Interface>& interfaces) {
  std::ostringstream text;
  text.precision(std::numeric_limits<double>::max_digits10);
  for (const Interface& interface : interfaces) {
    text << interface.name << ' ' << interface.subnet << ' ' << interface.address << ' ' << interface.bytes_per_s
         << '\n';
  }
  return text.str();
}

std::vector<Interface> interfaces_from_text(const std::string& text) {
  std::vector<Interface> interfaces;
  std::istringstream lines(text);
  Interface interface;
  while (lines >> interface.name >> interface.subnet >> interface.address >> interface.bytes_per_s) {
    interfaces.push_back(interface);
  }
  return interfaces;
}

Rails choose_rails(const std::vector<std::vector<Interface>>& interfaces, const std::vector<int>& hosts, size_t most) {
  std::vector<Network> networks;
  std::set<std::string> seen;
  for (const Interface& interface : interfaces.at(0)) {
    if (const auto network = network_of(interface.subnet, interfaces, hosts);
        network && seen.insert(interface.subnet).second) {
      networks.push_back(*network);
    }
  }
  // Unknown is infinite: with an unknown rate among them all count as equal.
  std::stable_sort(networks.begin(), networks.end(),
                   [](const Network& a, const Network& b) { return a.slowest > b.slowest; });
  const bool known = !networks.empty() && std::isfinite(networks[0].slowest);
  std::erase_if(networks,
                [&](const Network& network) { return known && network.slowest < kLeastShare * networks[0].slowest; });
  if (most > 0 && networks.size() > most) {
    networks.resize(most);
  }
  Rails rails;
  for (const Network& network : networks) {
    rails.subnets.push_back(network.subnet);
    rails.rates.push_back(known ? network.slowest : 1);
  }
  rails.pattern = pattern_of(rails.rates);
  return rails;
}

Rails keep_rails(const Rails& rails, const std::vector<bool>& keep) {
  Rails kept;
  for (size_t rail = 0; rail < rails.count(); ++rail) {
    if (keep[rail]) {
      kept.subnets.push_back(rails.subnets[rail]);
      kept.rates.push_back(rails.rates[rail]);
    }
  }
  kept.pattern = pattern_of(kept.rates);
  return kept;
}

}  // namespace banyan::comm
