// SPDX-License-Identifier: Apache-2.0
#include "planner/algorithms/direct.hpp"

#include <algorithm>

#include "planner/algorithms/message.hpp"

namespace banyan::planner::direct {
namespace {

/// Phases per host distance.
int phases_of_distance(const Hosts& hosts) {
  int largest = 0;
  for (int host = 0; host < hosts.count(); ++host) {
    largest = std::max(largest, hosts.size(host));
  }
  return largest;
}

}  // namespace

int phase(const Hosts& hosts, int from, int to) {
  const int distance = (hosts.host_of(to) - hosts.host_of(from) + hosts.count()) % hosts.count();
  const int width = phases_of_distance(hosts);
  return (distance - 1) * width + (hosts.local_index(to) - hosts.local_index(from) + width) % width;
}

std::vector<int> remote_send_order(const Hosts& hosts, int rank) {
  std::vector<int> order;
  const int width = phases_of_distance(hosts);
  for (int distance = 1; distance < hosts.count(); ++distance) {
    const auto& peers = hosts.ranks(hosts.next(hosts.host_of(rank), distance));
    for (int i = 0; i < width; ++i) {
      const auto index = static_cast<size_t>((hosts.local_index(rank) + i) % width);
      if (index < peers.size()) {
        order.push_back(peers[index]);
      }
    }
  }
  return order;
}

std::vector<int> remote_receive_order(const Hosts& hosts, int rank) {
  std::vector<int> order;
  const int width = phases_of_distance(hosts);
  for (int distance = 1; distance < hosts.count(); ++distance) {
    const auto& peers = hosts.ranks(hosts.previous(hosts.host_of(rank), distance));
    for (int i = 0; i < width; ++i) {
      const auto index = static_cast<size_t>((hosts.local_index(rank) + width - i) % width);
      if (index < peers.size()) {
        order.push_back(peers[index]);
      }
    }
  }
  return order;
}

std::vector<int> local_send_order(const Hosts& hosts, int rank) {
  std::vector<int> order;
  const auto& peers = hosts.ranks(hosts.host_of(rank));
  for (size_t i = 1; i < peers.size(); ++i) {
    order.push_back(peers[(static_cast<size_t>(hosts.local_index(rank)) + i) % peers.size()]);
  }
  return order;
}

std::vector<int> local_receive_order(const Hosts& hosts, int rank) {
  std::vector<int> order;
  const auto& peers = hosts.ranks(hosts.host_of(rank));
  for (size_t i = 1; i < peers.size(); ++i) {
    order.push_back(peers[(static_cast<size_t>(hosts.local_index(rank)) + peers.size() - i) % peers.size()]);
  }
  return order;
}

schedule::RankSchedule build(const Hosts& hosts, int rank, bool mapped) {
  schedule::RankSchedule part;
  part.rank = rank;
  const auto local_path = [&](int peer) { return path_between(hosts, rank, peer, mapped); };
  const auto send = [&](int peer, schedule::Path path) {
    part.sends.push_back({.step = 0, .from = rank, .to = peer, .path = path, .blocks = {{rank, peer}}});
  };
  const auto receive = [&](int peer, schedule::Path path) {
    part.receives.push_back({.step = 0, .from = peer, .to = rank, .path = path, .blocks = {{peer, rank}}});
  };
  for (const int peer : remote_send_order(hosts, rank)) {
    send(peer, schedule::Path::kMessage);
  }
  for (const int peer : local_send_order(hosts, rank)) {
    send(peer, local_path(peer));
  }
  for (const int peer : remote_receive_order(hosts, rank)) {
    receive(peer, schedule::Path::kMessage);
  }
  for (const int peer : local_receive_order(hosts, rank)) {
    receive(peer, local_path(peer));
  }
  return part;
}

}  // namespace banyan::planner::direct
