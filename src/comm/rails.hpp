// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace banyan::comm {

/// A network interface with an IPv4 address, as one rank sees it. A value.
struct Interface {
  std::string name;
  std::string subnet;      ///< "10.77.0.0/24"
  std::string address;     ///< "10.77.0.1"
  double bytes_per_s = 0;  ///< nominal; 0: unknown

  bool operator==(const Interface&) const = default;
};

/// The interfaces that data may leave this host through: up, with an IPv4 address, no loopback and no bridge; of
/// `wanted` (comma separated names) if that is not empty. None where the host has RDMA devices: UCX spreads messages
/// over those by itself, and would not use them if it were told to use an Ethernet interface.
[[nodiscard]] std::vector<Interface> own_interfaces(const std::string& wanted);

/// "name subnet address rate", a line each; the reverse takes what to_text made.
[[nodiscard]] std::string to_text(const std::vector<Interface>& interfaces);
[[nodiscard]] std::vector<Interface> interfaces_from_text(const std::string& text);

/// Networks that join all hosts, and how much each carries.
struct Rails {
  std::vector<std::string> subnets;
  std::vector<double> rates;  ///< by rail, bytes/s of its slowest interface; all 1 if one is unknown
  /// Rails in the order in which consecutive messages take them: each as often as its share of the rates.
  std::vector<int> pattern;

  [[nodiscard]] size_t count() const noexcept { return subnets.size(); }
  bool operator==(const Rails&) const = default;
};

/// Those with keep[rail], with their pattern.
[[nodiscard]] Rails keep_rails(const Rails& rails, const std::vector<bool>& keep);

/// The subnets in which every rank has an interface, at most `most` (0: no limit), fastest first. Not one in which two
/// hosts have equal addresses (Docker's and libvirt's own networks, which lead nowhere), nor one much slower than the
/// fastest. Equal on all ranks, as all arguments are. `hosts[rank]`: number of its host.
[[nodiscard]] Rails choose_rails(const std::vector<std::vector<Interface>>& interfaces, const std::vector<int>& hosts,
                                 size_t most);

}  // namespace banyan::comm
