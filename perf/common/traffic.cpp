// SPDX-License-Identifier: Apache-2.0
#include "common/traffic.hpp"

#include <algorithm>
#include <numeric>

namespace banyan::perf {
namespace {

size_t num_pairs(int num_ranks) { return static_cast<size_t>(num_ranks) * static_cast<size_t>(num_ranks); }

}  // namespace

Traffic uniform_traffic(int num_ranks, size_t bytes_per_pair, size_t element_size, bool variable) {
  Traffic traffic;
  traffic.num_ranks = num_ranks;
  traffic.element_size = element_size;
  traffic.bytes.assign(num_pairs(num_ranks), bytes_per_pair);
  if (!variable) {
    traffic.uniform_bytes = bytes_per_pair;
  }
  return traffic;
}

Traffic matrix_traffic(int num_ranks, std::vector<uint64_t> matrix, size_t element_size) {
  Traffic traffic;
  traffic.num_ranks = num_ranks;
  traffic.element_size = element_size;
  traffic.bytes = std::move(matrix);
  for (auto& bytes : traffic.bytes) {
    bytes += (element_size - bytes % element_size) % element_size;
  }
  return traffic;
}

uint64_t busiest_rank_bytes(const Traffic& traffic) {
  uint64_t busiest = 0;
  for (int rank = 0; rank < traffic.num_ranks; ++rank) {
    uint64_t sent = 0;
    uint64_t received = 0;
    for (int peer = 0; peer < traffic.num_ranks; ++peer) {
      sent += traffic.at(rank, peer);
      received += traffic.at(peer, rank);
    }
    busiest = std::max({busiest, sent, received});
  }
  return busiest;
}

uint64_t total_bytes(const Traffic& traffic) {
  return std::accumulate(traffic.bytes.begin(), traffic.bytes.end(), uint64_t{0});
}

uint64_t mean_bytes_per_pair(const Traffic& traffic) {
  return traffic.bytes.empty() ? 0 : total_bytes(traffic) / traffic.bytes.size();
}

RankLayout rank_layout(const Traffic& traffic, int rank) {
  RankLayout layout;
  size_t sent = 0;
  size_t received = 0;
  for (int peer = 0; peer < traffic.num_ranks; ++peer) {
    layout.sdispls.push_back(sent);
    layout.rdispls.push_back(received);
    layout.sendcounts.push_back(static_cast<size_t>(traffic.at(rank, peer)) / traffic.element_size);
    layout.recvcounts.push_back(static_cast<size_t>(traffic.at(peer, rank)) / traffic.element_size);
    sent += layout.sendcounts.back();
    received += layout.recvcounts.back();
  }
  layout.send_bytes = sent * traffic.element_size;
  layout.recv_bytes = received * traffic.element_size;
  return layout;
}

}  // namespace banyan::perf
