// SPDX-License-Identifier: Apache-2.0
#include "planner/algorithms/direct.hpp"

namespace banyan::planner::direct {

std::vector<int> remote_send_order(const Hosts& hosts, int rank) {
  std::vector<int> order;
  const int host = hosts.host_of(rank);
  for (int distance = 1; distance < hosts.count(); ++distance) {
    const auto& peers = hosts.ranks(hosts.next(host, distance));
    const auto start = static_cast<size_t>(hosts.local_index(rank));
    for (size_t i = 0; i < peers.size(); ++i) {
      order.push_back(peers[(start + i) % peers.size()]);
    }
  }
  return order;
}

std::vector<int> remote_receive_order(const Hosts& hosts, int rank) {
  std::vector<int> order;
  const int host = hosts.host_of(rank);
  for (int distance = 1; distance < hosts.count(); ++distance) {
    const auto& peers = hosts.ranks(hosts.previous(host, distance));
    const auto start = static_cast<size_t>(hosts.local_index(rank)) % peers.size();
    for (size_t i = 0; i < peers.size(); ++i) {
      order.push_back(peers[(start + peers.size() - i) % peers.size()]);
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
  const auto local_path = mapped ? schedule::Path::kMapped : schedule::Path::kMessage;
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
    send(peer, local_path);
  }
  for (const int peer : remote_receive_order(hosts, rank)) {
    receive(peer, schedule::Path::kMessage);
  }
  for (const int peer : local_receive_order(hosts, rank)) {
    receive(peer, local_path);
  }
  return part;
}

}  // namespace banyan::planner::direct
