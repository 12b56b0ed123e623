// SPDX-License-Identifier: Apache-2.0
#include "common/bound.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "common/failure.hpp"
#include "common/statistics.hpp"

namespace banyan::perf {
namespace {

using Json = nlohmann::json;

/// Sum of the rates of the links that are up; 0 (no limit) if one of them is unlimited.
double nic_rate(const Json& node) {
  double total = 0;
  for (const auto& [name, nic] : node.at("nic").items()) {
    const double rate = nic.at("rate_bytes_per_s").get<double>();
    if (!nic.value("up", true)) {
      continue;
    }
    if (rate <= 0) {
      return 0;
    }
    total += rate;
  }
  return total;
}

double uplink_rate(const Json& leaf) {
  double total = 0;
  for (const auto& rail : leaf.at("spine_rate_bytes_per_s")) {
    if (rail.get<double>() <= 0) {
      return 0;
    }
    total += rail.get<double>();
  }
  return total;
}

std::vector<RankGroup> groups_of(const Json& lab, const std::vector<std::string>& hostnames) {
  std::map<int, RankGroup> nodes;
  std::map<std::string, int> node_of_name;
  for (const auto& node : lab.at("nodes")) {
    const int index = node.at("node").get<int>();
    node_of_name[node.at("hostname").get<std::string>()] = index;
    const double rate = nic_rate(node);
    nodes[index] = {{}, rate, rate};
  }
  for (size_t rank = 0; rank < hostnames.size(); ++rank) {
    const auto node = node_of_name.find(hostnames[rank]);
    if (node == node_of_name.end()) {
      throw UsageError("rank " + std::to_string(rank) + " runs on host " + hostnames[rank] +
                       ", which the lab description does not have");
    }
    nodes[node->second].ranks.push_back(static_cast<int>(rank));
  }
  std::vector<RankGroup> groups;
  for (const auto& [index, group] : nodes) {
    groups.push_back(group);
  }
  for (const auto& leaf : lab.value("leaves", Json::array())) {
    const double rate = uplink_rate(leaf);
    RankGroup group{{}, rate, rate};
    for (const auto& node : leaf.at("nodes")) {
      const auto& ranks = nodes[node.get<int>()].ranks;
      group.ranks.insert(group.ranks.end(), ranks.begin(), ranks.end());
    }
    if (rate > 0) {
      groups.push_back(group);
    }
  }
  return groups;
}

}  // namespace

double lower_bound_s(const Traffic& traffic, const std::vector<RankGroup>& groups) {
  double bound = 0;
  for (const auto& group : groups) {
    std::vector<bool> inside(static_cast<size_t>(traffic.num_ranks), false);
    for (const int rank : group.ranks) {
      inside[static_cast<size_t>(rank)] = true;
    }
    uint64_t egress = 0;
    uint64_t ingress = 0;
    for (const int rank : group.ranks) {
      for (int peer = 0; peer < traffic.num_ranks; ++peer) {
        if (!inside[static_cast<size_t>(peer)]) {
          egress += traffic.at(rank, peer);
          ingress += traffic.at(peer, rank);
        }
      }
    }
    bound = std::max({bound, ratio(static_cast<double>(egress), group.egress_bytes_per_s),
                      ratio(static_cast<double>(ingress), group.ingress_bytes_per_s)});
  }
  return bound;
}

uint64_t inter_host_bytes(const Traffic& traffic, const std::vector<int>& host_of) {
  uint64_t bytes = 0;
  for (int from = 0; from < traffic.num_ranks; ++from) {
    for (int to = 0; to < traffic.num_ranks; ++to) {
      const bool crosses = host_of[static_cast<size_t>(from)] != host_of[static_cast<size_t>(to)];
      bytes += crosses ? traffic.at(from, to) : 0;
    }
  }
  return bytes;
}

std::vector<RankGroup> host_groups(const std::vector<int>& host_of, double rate_bytes_per_s) {
  std::map<int, RankGroup> hosts;
  for (size_t rank = 0; rank < host_of.size(); ++rank) {
    auto& group = hosts[host_of[rank]];
    group.egress_bytes_per_s = rate_bytes_per_s;
    group.ingress_bytes_per_s = rate_bytes_per_s;
    group.ranks.push_back(static_cast<int>(rank));
  }
  std::vector<RankGroup> groups;
  for (auto& [host, group] : hosts) {
    groups.push_back(std::move(group));
  }
  return groups;
}

namespace {

/// `read` of the parsed description.
template <typename Read>
auto from_lab(std::string_view lab_json, const Read& read) {
  try {
    return read(Json::parse(lab_json));
  } catch (const Json::exception& error) {
    throw UsageError(std::string("not a description by 'banyan-lab describe --json': ") + error.what());
  }
}

}  // namespace

std::vector<RankGroup> lab_groups(std::string_view lab_json, const std::vector<std::string>& hostnames) {
  return from_lab(lab_json, [&](const Json& lab) { return groups_of(lab, hostnames); });
}

double lab_bucket_s(std::string_view lab_json) {
  return from_lab(lab_json, [](const Json& lab) {
    double slowest = std::numeric_limits<double>::infinity();
    const auto take = [&](const Json& rate) {
      slowest = rate.get<double>() > 0 ? std::min(slowest, rate.get<double>()) : slowest;
    };
    for (const auto& node : lab.at("nodes")) {
      for (const auto& nic : node.at("nic")) {
        if (nic.value("up", true)) {
          take(nic.at("rate_bytes_per_s"));
        }
      }
    }
    for (const auto& leaf : lab.at("leaves")) {
      for (const auto& rate : leaf.at("spine_rate_bytes_per_s")) {
        take(rate);
      }
    }
    return lab.at("burst_bytes").get<double>() / slowest;
  });
}

}  // namespace banyan::perf
