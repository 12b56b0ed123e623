// SPDX-License-Identifier: Apache-2.0
#include "planner/algorithms/hierarchical.hpp"

#include <algorithm>

#include "planner/algorithms/message.hpp"

namespace banyan::planner::hierarchical {
namespace {

using schedule::Message;
using schedule::RankSchedule;

/// The rank of `host` that exchanges with `other` for the whole host (fan kNode). Symmetric: leader(x, y) and leader(y,
/// x) talk to each other.
int leader(const Hosts& hosts, int host, int other) {
  const int distance = (other - host + hosts.count()) % hosts.count();
  return hosts.ranks(host)[static_cast<size_t>((distance - 1) % hosts.size(host))];
}

class Builder {
 public:
  Builder(const Hosts& hosts, int rank, const Options& options)
      : hosts_(hosts), rank_(rank), host_(hosts.host_of(rank)), options_(options) {
    part_.rank = rank;
  }

  RankSchedule build() {
    append_local_step(hosts_, part_, [this](int from, int to) { return gathered(from, to); });
    cross();
    if (options_.fan == Fan::kNode) {
      append_local_step(hosts_, part_, [this](int from, int to) { return handed_out(from, to); });
    }
    return std::move(part_);
  }

 private:
  Message message(int step, int from, int to) const { return empty_message(hosts_, options_, step, from, to); }

  /// Step 0: `from` hands `to` its blocks for the remote ranks that `to` forwards to, and its block for `to`.
  Message gathered(int from, int to) const {
    Message result = message(0, from, to);
    result.blocks.push_back({from, to});
    for (int distance = 1; distance < hosts_.count(); ++distance) {
      for (const int destination : hosts_.ranks(hosts_.next(host_, distance))) {
        if (forwarder(hosts_, options_.fan, host_, destination) == to) {
          result.blocks.push_back({from, destination});
        }
      }
    }
    return result;
  }

  /// Step 1, fan kRail: all blocks of `from`'s host for `to`.
  Message rail(int from, int to) const {
    Message result = message(1, from, to);
    for (const int source : hosts_.ranks(hosts_.host_of(from))) {
      result.blocks.push_back({source, to});
    }
    return result;
  }

  /// Step 1, fan kNode: all blocks of host x for host y.
  Message node(int x, int y) const {
    Message result = message(1, leader(hosts_, x, y), leader(hosts_, y, x));
    for (const int destination : hosts_.ranks(y)) {
      for (const int source : hosts_.ranks(x)) {
        result.blocks.push_back({source, destination});
      }
    }
    return result;
  }

  void cross() {
    for (int distance = 1; distance < hosts_.count(); ++distance) {
      const int to = hosts_.next(host_, distance);
      const int from = hosts_.previous(host_, distance);
      if (options_.fan == Fan::kNode) {
        if (leader(hosts_, host_, to) == rank_) {
          part_.sends.push_back(node(host_, to));
        }
        if (leader(hosts_, host_, from) == rank_) {
          part_.receives.push_back(node(from, host_));
        }
        continue;
      }
      for (const int destination : hosts_.ranks(to)) {
        if (forwarder(hosts_, options_.fan, host_, destination) == rank_) {
          part_.sends.push_back(rail(rank_, destination));
        }
      }
      part_.receives.push_back(rail(forwarder(hosts_, options_.fan, from, rank_), rank_));
    }
  }

  /// Step 2, fan kNode: the leader hands `to` what the hosts it receives from have for it.
  Message handed_out(int from, int to) const {
    Message result = message(2, from, to);
    for (int distance = 1; distance < hosts_.count(); ++distance) {
      const int other = hosts_.previous(host_, distance);
      if (leader(hosts_, host_, other) != from) {
        continue;
      }
      for (const int source : hosts_.ranks(other)) {
        result.blocks.push_back({source, to});
      }
    }
    return result;
  }

  const Hosts& hosts_;
  int rank_;
  int host_;
  Options options_;
  RankSchedule part_;
};

}  // namespace

int forwarder(const Hosts& hosts, Fan fan, int from, int destination) {
  const int to = hosts.host_of(destination);
  if (fan == Fan::kNode) {
    return leader(hosts, from, to);
  }
  const int size = hosts.size(from);
  // Equal hosts stay on one rail; unequal ones start elsewhere for each pair, so that the extra messages spread.
  const int start = size == hosts.size(to) ? 0 : to;
  return hosts.ranks(from)[static_cast<size_t>((hosts.local_index(destination) + start) % size)];
}

schedule::RankSchedule build(const Hosts& hosts, int rank, const Options& options) {
  return Builder(hosts, rank, options).build();
}

}  // namespace banyan::planner::hierarchical
