// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/ladder.hpp"

namespace banyan::moe {

Ladder::Ladder(const planner::Hosts& hosts, Dedup dedup) : hosts_(hosts) {
  const bool through_hosts = dedup == Dedup::kNode || dedup == Dedup::kTier;
  if (dedup == Dedup::kTier && hosts.num_racks() > 1) {
    rungs_.push_back(Rung::kRack);
  }
  if (through_hosts && hosts.count() > 1) {
    rungs_.push_back(Rung::kHost);
  }
  rungs_.push_back(Rung::kRank);
  for (int rank = 0; rank < hosts.num_ranks(); ++rank) {
    alone_.push_back({rank});
  }
  const auto num_ranks = static_cast<size_t>(hosts.num_ranks());
  child_.assign(height() - 1, std::vector<int>(num_ranks));
  children_.assign(height() - 1, std::vector<std::vector<int>>(num_ranks));
  for (size_t rung = 0; rung + 1 < height(); ++rung) {
    for (int rank = 0; rank < hosts.num_ranks(); ++rank) {
      const auto& ranks = below(rung, rank);
      auto& children = children_[rung][static_cast<size_t>(ranks.front())];
      if (ranks.front() != rank) {
        continue;
      }
      for (const int member : ranks) {
        if (children.empty() || !together(rung + 1, children.back(), member)) {
          children.push_back(member);
        }
        child_[rung][static_cast<size_t>(member)] = static_cast<int>(children.size()) - 1;
      }
    }
  }
}

bool Ladder::together(size_t rung, int a, int b) const {
  switch (rungs_[rung]) {
    case Rung::kRack:
      return hosts_.rack_of(a) == hosts_.rack_of(b);
    case Rung::kHost:
      return hosts_.host_of(a) == hosts_.host_of(b);
    case Rung::kRank:
      break;
  }
  return a == b;
}

const std::vector<int>& Ladder::below(size_t rung, int rank) const {
  switch (rungs_[rung]) {
    case Rung::kRack:
      return hosts_.rack_ranks(hosts_.rack_of(rank));
    case Rung::kHost:
      return hosts_.ranks(hosts_.host_of(rank));
    case Rung::kRank:
      break;
  }
  return alone_[static_cast<size_t>(rank)];
}

int Ladder::in_host(int from, int rank) const {
  const auto& ranks = hosts_.ranks(hosts_.host_of(rank));
  const auto place = static_cast<size_t>(hosts_.local_index(from));
  return place < ranks.size() ? ranks[place]
                              : ranks[(place + static_cast<size_t>(hosts_.host_of(from))) % ranks.size()];
}

int Ladder::in_rack(int from, int rank) const {
  const auto& ranks = hosts_.rack_ranks(hosts_.rack_of(rank));
  const auto place = static_cast<size_t>(hosts_.rack_index(from));
  return place < ranks.size() ? ranks[place]
                              : ranks[(place + static_cast<size_t>(hosts_.rack_of(from))) % ranks.size()];
}

int Ladder::holder(size_t rung, int source, int rank) const {
  if (rungs_[rung] == Rung::kRank) {
    return rank;
  }
  const int before = previous(rung, source, rank);
  if (together(rung, before, rank)) {
    return before;
  }
  return rungs_[rung] == Rung::kRack ? in_rack(before, rank) : in_host(before, rank);
}

}  // namespace banyan::moe
