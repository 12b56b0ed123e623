// SPDX-License-Identifier: Apache-2.0
#include "planner/loads.hpp"

#include <algorithm>

namespace banyan::planner {
namespace {

using topology::Tier;

size_t at(int index) { return static_cast<size_t>(index); }

template <typename Number>
Number largest(const std::vector<Number>& values) {
  return values.empty() ? 0 : *std::max_element(values.begin(), values.end());
}

/// Adds up pairs; those of one sending host in a row.
class LoadSums {
 public:
  LoadSums(const topology::LocalityTree& tree, const Hosts& hosts)
      : tree_(tree),
        hosts_(hosts),
        rank_out_(at(hosts.num_ranks())),
        rank_in_(at(hosts.num_ranks())),
        local_out_(at(hosts.num_ranks())),
        local_in_(at(hosts.num_ranks())),
        messages_out_(at(hosts.num_ranks())),
        messages_in_(at(hosts.num_ranks())),
        host_messages_out_(at(hosts.count())),
        host_messages_in_(at(hosts.count())),
        pair_bytes_(at(hosts.count())) {
    loads_.subtree_egress.resize(tree.nodes().size());
    loads_.subtree_ingress.resize(tree.nodes().size());
    loads_.host_local.resize(at(hosts.count()));
  }

  void add(int from, int to, uint64_t bytes, bool is_message) {
    const size_t from_host = at(hosts_.host_of(from));
    const size_t to_host = at(hosts_.host_of(to));
    if (from_host == to_host) {
      local_out_[at(from)] += bytes;
      local_in_[at(to)] += bytes;
      loads_.host_local[from_host] += bytes;
      return;
    }
    rank_out_[at(from)] += bytes;
    rank_in_[at(to)] += bytes;
    pair_bytes_[to_host] += bytes;
    messages_out_[at(from)] += is_message ? 1 : 0;
    messages_in_[at(to)] += is_message ? 1 : 0;
    host_messages_out_[from_host] += is_message ? 1 : 0;
    host_messages_in_[to_host] += is_message ? 1 : 0;
    for (const Tier tier : {Tier::kNode, Tier::kRack}) {
      const int a = tree_.ancestor(from, tier);
      const int b = tree_.ancestor(to, tier);
      if (a != b) {
        loads_.subtree_egress[at(a)] += bytes;
        loads_.subtree_ingress[at(b)] += bytes;
      }
    }
  }

  void end_host() {
    loads_.host_pair_max = std::max(loads_.host_pair_max, largest(pair_bytes_));
    std::fill(pair_bytes_.begin(), pair_bytes_.end(), 0);
  }

  [[nodiscard]] Loads loads() {
    loads_.rank_remote_max = std::max(largest(rank_out_), largest(rank_in_));
    loads_.rank_local_max = std::max(largest(local_out_), largest(local_in_));
    loads_.rank_messages_max = std::max(largest(messages_out_), largest(messages_in_));
    loads_.host_messages_max = std::max(largest(host_messages_out_), largest(host_messages_in_));
    return std::move(loads_);
  }

 private:
  const topology::LocalityTree& tree_;
  const Hosts& hosts_;
  Loads loads_;
  std::vector<uint64_t> rank_out_, rank_in_, local_out_, local_in_;
  std::vector<int> messages_out_, messages_in_, host_messages_out_, host_messages_in_;
  std::vector<uint64_t> pair_bytes_;  ///< from the host at hand, by receiving host
};

/// Every pair is as large, so sums follow from how many ranks there are in each subtree.
Loads uniform_loads(const topology::LocalityTree& tree, const Hosts& hosts, uint64_t bytes) {
  Loads loads;
  loads.subtree_egress.resize(tree.nodes().size());
  loads.subtree_ingress.resize(tree.nodes().size());
  const auto num_ranks = at(tree.num_ranks());
  for (const Tier tier : {Tier::kNode, Tier::kRack}) {
    for (const int node : tree.at_tier(tier)) {
      const size_t inside = tree.node(node).ranks.size();
      loads.subtree_egress[at(node)] = inside * (num_ranks - inside) * bytes;
      loads.subtree_ingress[at(node)] = loads.subtree_egress[at(node)];
    }
  }
  std::vector<size_t> sizes;
  for (int host = 0; host < hosts.count(); ++host) {
    sizes.push_back(at(hosts.size(host)));
    const size_t remote = num_ranks - sizes.back();
    loads.host_local.push_back(sizes.back() * (sizes.back() - 1) * bytes);
    loads.rank_remote_max = std::max<uint64_t>(loads.rank_remote_max, remote * bytes);
    loads.rank_local_max = std::max<uint64_t>(loads.rank_local_max, (sizes.back() - 1) * bytes);
    loads.rank_messages_max = std::max(loads.rank_messages_max, static_cast<int>(remote));
    loads.host_messages_max = std::max(loads.host_messages_max, static_cast<int>(sizes.back() * remote));
  }
  std::sort(sizes.rbegin(), sizes.rend());
  loads.host_pair_max = sizes.size() > 1 ? sizes[0] * sizes[1] * bytes : 0;
  return loads;
}

}  // namespace

Loads sum_loads(const topology::LocalityTree& tree, const Hosts& hosts, const Demand& demand, uint64_t only_above,
                uint64_t only_up_to) {
  if (demand.uniform()) {
    const bool counts = demand.block_bytes <= only_up_to && (only_above == 0 || demand.block_bytes > only_above);
    return counts ? uniform_loads(tree, hosts, demand.block_bytes) : LoadSums(tree, hosts).loads();
  }
  LoadSums sums(tree, hosts);
  for (int host = 0; host < hosts.count(); ++host) {
    for (const int from : hosts.ranks(host)) {
      for (int to = 0; to < tree.num_ranks(); ++to) {
        const uint64_t bytes = demand.bytes(tree.num_ranks(), from, to);
        if (from != to && bytes <= only_up_to && (only_above == 0 || bytes > only_above)) {
          sums.add(from, to, bytes, bytes > 0);
        }
      }
    }
    sums.end_host();
  }
  return sums.loads();
}

}  // namespace banyan::planner
