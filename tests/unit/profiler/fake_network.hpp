// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <limits>
#include <map>
#include <vector>

#include "profiler/rack_finder.hpp"

namespace banyan::profiler {

/// Hosts in racks whose links are shared max-min fairly: what RackFinder sees of it, without noise.
struct FakeNetwork {
  std::vector<int> rack_of;      ///< by host
  std::vector<double> nics;      ///< by host, each way
  std::vector<double> up, down;  ///< by rack

  [[nodiscard]] int num_hosts() const { return static_cast<int>(rack_of.size()); }
  [[nodiscard]] size_t num_racks() const { return up.size(); }

  /// The racks as RackFinder gives them.
  [[nodiscard]] Clusters racks() const {
    std::map<int, std::vector<int>> by_rack;
    for (int host = 0; host < num_hosts(); ++host) {
      by_rack[rack_of[static_cast<size_t>(host)]].push_back(host);
    }
    Clusters racks;
    for (const auto& [rack, hosts] : by_rack) {
      racks.push_back(hosts);
    }
    std::sort(racks.begin(), racks.end());
    return racks;
  }

  /// What a host's NIC shows to others: its own rate, or that of its rack's uplink where it has no neighbour.
  [[nodiscard]] std::vector<double> visible_rates() const {
    std::vector<double> rates = nics;
    for (int host = 0; host < num_hosts(); ++host) {
      const int rack = rack_of[static_cast<size_t>(host)];
      if (std::count(rack_of.begin(), rack_of.end(), rack) == 1) {
        double& rate = rates[static_cast<size_t>(host)];
        rate = std::min({rate, up[static_cast<size_t>(rack)], down[static_cast<size_t>(rack)]});
      }
    }
    return rates;
  }

  /// Progressive filling: all rates grow together until a link of theirs is full. Pairs move equal bytes both ways.
  [[nodiscard]] std::vector<double> max_min(const HostPairs& pairs, const std::vector<bool>& active) const {
    const size_t num_links = nics.size() + 2 * num_racks();
    std::vector<double> left = nics;
    left.insert(left.end(), up.begin(), up.end());
    left.insert(left.end(), down.begin(), down.end());
    const auto links_of = [&](size_t i) {
      const auto a = static_cast<size_t>(pairs[i].first);
      const auto b = static_cast<size_t>(pairs[i].second);
      std::vector<size_t> links = {a, b};
      if (rack_of[a] != rack_of[b]) {
        for (const auto rack : {static_cast<size_t>(rack_of[a]), static_cast<size_t>(rack_of[b])}) {
          links.push_back(nics.size() + rack);
          links.push_back(nics.size() + num_racks() + rack);
        }
      }
      return links;
    };
    std::vector<double> rates(pairs.size());
    std::vector<bool> grows = active;
    while (std::find(grows.begin(), grows.end(), true) != grows.end()) {
      std::vector<int> users(num_links);
      for (size_t i = 0; i < pairs.size(); ++i) {
        for (const size_t link : links_of(i)) {
          users[link] += grows[i] ? 1 : 0;
        }
      }
      double step = std::numeric_limits<double>::infinity();
      for (size_t link = 0; link < num_links; ++link) {
        step = users[link] > 0 ? std::min(step, left[link] / users[link]) : step;
      }
      for (size_t link = 0; link < num_links; ++link) {
        left[link] -= step * users[link];
      }
      for (size_t i = 0; i < pairs.size(); ++i) {
        rates[i] += grows[i] ? step : 0;
      }
      for (size_t i = 0; i < pairs.size(); ++i) {
        for (const size_t link : links_of(i)) {
          if (left[link] <= 1e-9) {
            grows[i] = false;
          }
        }
      }
    }
    return rates;
  }

  /// What a round measures: each pair moves bytes in proportion to what its NICs allow, from one start on.
  [[nodiscard]] PairRound measure(const HostPairs& pairs) const {
    const std::vector<double> visible = visible_rates();
    std::vector<double> left;
    for (const auto& [a, b] : pairs) {
      left.push_back(std::min(visible[static_cast<size_t>(a)], visible[static_cast<size_t>(b)]));
    }
    PairRound round{pairs, std::vector<double>(pairs.size())};
    std::vector<bool> active(pairs.size(), true);
    double now = 0;
    while (std::find(active.begin(), active.end(), true) != active.end()) {
      const std::vector<double> rates = max_min(pairs, active);
      double step = std::numeric_limits<double>::infinity();
      for (size_t i = 0; i < pairs.size(); ++i) {
        step = active[i] ? std::min(step, left[i] / rates[i]) : step;
      }
      now += step;
      for (size_t i = 0; i < pairs.size(); ++i) {
        left[i] -= active[i] ? rates[i] * step : 0;
        if (active[i] && left[i] <= 1e-9) {
          active[i] = false;
          round.shares[i] = 1 / now;
        }
      }
    }
    return round;
  }
};

}  // namespace banyan::profiler
