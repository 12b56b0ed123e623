// SPDX-License-Identifier: Apache-2.0
#include "planner/algorithms/racks.hpp"

#include <algorithm>

#include "planner/algorithms/hierarchical.hpp"
#include "planner/algorithms/message.hpp"

namespace banyan::planner::racks {
namespace {

using schedule::Message;
using schedule::RankSchedule;

class Builder {
 public:
  Builder(const Hosts& hosts, int rank, const Options& options)
      : hosts_(hosts), rank_(rank), host_(hosts.host_of(rank)), rack_(hosts.rack_of(rank)), options_(options) {
    part_.rank = rank;
  }

  RankSchedule build() {
    append_local_step(hosts_, part_, [this](int from, int to) { return gathered(from, to); });
    cross_hosts();
    cross_racks();
    return std::move(part_);
  }

 private:
  Message message(int step, int from, int to) const { return empty_message(hosts_, options_, step, from, to); }

  /// The rank of host `from` that sends to `to`, of another host of the rack.
  [[nodiscard]] int forwarder(int from, int to) const {
    return hierarchical::forwarder(hosts_, hierarchical::Fan::kRail, from, to);
  }

  /// The first rank after its source that a block for `destination` goes to.
  [[nodiscard]] int first_hop(int destination) const {
    const int next = hosts_.rack_of(destination) == rack_ ? destination : rack_peer(hosts_, rack_, destination);
    return hosts_.host_of(next) == host_ ? next : forwarder(host_, next);
  }

  void add_from_host(Message& message, int host, int destination) const {
    for (const int source : hosts_.ranks(host)) {
      message.blocks.push_back({source, destination});
    }
  }

  /// What `to` takes to other racks, as a function of destinations.
  template <typename Add>
  void for_carried(int to, Add add) const {
    for (int rack = 0; rack < hosts_.num_racks(); ++rack) {
      for (const int destination : rack == rack_ ? kNone : hosts_.rack_ranks(rack)) {
        if (rack_peer(hosts_, rack_, destination) == to) {
          add(destination);
        }
      }
    }
  }

  /// Step 0: `from` hands `to` its blocks that go there first.
  [[nodiscard]] Message gathered(int from, int to) const {
    Message result = message(0, from, to);
    for (int destination = 0; destination < hosts_.num_ranks(); ++destination) {
      if (destination != from && first_hop(destination) == to) {
        result.blocks.push_back({from, destination});
      }
    }
    return result;
  }

  /// Step 1: all blocks of the sender's host for `to`, or that `to` takes to other racks.
  [[nodiscard]] Message in_rack(int from, int to) const {
    Message result = message(1, from, to);
    add_from_host(result, hosts_.host_of(from), to);
    for_carried(to, [&](int destination) { add_from_host(result, hosts_.host_of(from), destination); });
    return result;
  }

  void cross_hosts() {
    for (int distance = 1; distance < hosts_.count(); ++distance) {
      const int to = hosts_.next(host_, distance);
      const int from = hosts_.previous(host_, distance);
      for (const int peer : hosts_.rack_of_host(to) == rack_ ? hosts_.ranks(to) : kNone) {
        if (forwarder(host_, peer) == rank_) {
          part_.sends.push_back(in_rack(rank_, peer));
        }
      }
      if (hosts_.rack_of_host(from) == rack_) {
        part_.receives.push_back(in_rack(forwarder(from, rank_), rank_));
      }
    }
  }

  /// Step 2: all blocks of the sender's rack for `to`.
  [[nodiscard]] Message between_racks(int from, int to) const {
    Message result = message(2, from, to);
    for (const int source : hosts_.rack_ranks(hosts_.rack_of(from))) {
      result.blocks.push_back({source, to});
    }
    return result;
  }

  void cross_racks() {
    const int count = hosts_.num_racks();
    for (int distance = 1; distance < count; ++distance) {
      for (const int destination : hosts_.rack_ranks((rack_ + distance) % count)) {
        if (rack_peer(hosts_, rack_, destination) == rank_) {
          part_.sends.push_back(between_racks(rank_, destination));
        }
      }
      part_.receives.push_back(between_racks(rack_peer(hosts_, (rack_ + count - distance) % count, rank_), rank_));
    }
  }

  inline static const std::vector<int> kNone;

  const Hosts& hosts_;
  int rank_;
  int host_;
  int rack_;
  Options options_;
  RankSchedule part_;
};

}  // namespace

bool differs_from_rail(const Hosts& hosts) { return hosts.num_racks() > 1 && hosts.num_racks() < hosts.count(); }

int rack_peer(const Hosts& hosts, int rack, int destination) {
  const auto& ranks = hosts.rack_ranks(rack);
  const int theirs = hosts.rack_of(destination);
  // Equal racks pair off; unequal ones start elsewhere for each pair, so that the extra messages spread.
  const size_t start = ranks.size() == hosts.rack_ranks(theirs).size() ? 0 : static_cast<size_t>(theirs);
  return ranks[(static_cast<size_t>(hosts.rack_index(destination)) + start) % ranks.size()];
}

schedule::RankSchedule build(const Hosts& hosts, int rank, const Options& options) {
  return Builder(hosts, rank, options).build();
}

}  // namespace banyan::planner::racks
