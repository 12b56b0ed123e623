// SPDX-License-Identifier: Apache-2.0
#include "moe/exchange/dedup_choice.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "moe/exchange/degree_choice.hpp"
#include "moe/exchange/part_choice.hpp"

namespace banyan::moe {
namespace {

/// Expected rows per token into each rank, host and rack, if each subtree gets one; and picks of each rank.
struct Hits {
  std::vector<double> rank, host, rack, picks;
};

/// Experts of a set of ranks, each once, replicas in part.
double experts_in(const ExpertMap& map, const std::vector<int>& ranks, std::vector<double>& part) {
  std::fill(part.begin(), part.end(), 0);
  for (const int rank : ranks) {
    for (const int expert : map.experts_of(rank)) {
      part[static_cast<size_t>(expert)] += 1.0 / static_cast<double>(map.replicas(expert).size());
    }
  }
  double sum = 0;
  for (const double share : part) {
    sum += std::min(1.0, share);
  }
  return sum;
}

Hits hits_of(const planner::Hosts& hosts, const ExpertMap& map, int top_k) {
  Hits hits;
  std::vector<double> part(static_cast<size_t>(map.num_experts()));
  const auto chance = [&](const std::vector<int>& ranks) {
    const double experts = experts_in(map, ranks, part);
    const int below = static_cast<int>(experts);
    const double low = hit_chance(map.num_experts(), below, top_k);
    return low + (experts - below) * (hit_chance(map.num_experts(), below + 1, top_k) - low);
  };
  for (int rank = 0; rank < hosts.num_ranks(); ++rank) {
    hits.rank.push_back(chance({rank}));
    hits.picks.push_back(top_k * experts_in(map, {rank}, part) / map.num_experts());
  }
  for (int host = 0; host < hosts.count(); ++host) {
    hits.host.push_back(chance(hosts.ranks(host)));
  }
  for (int rack = 0; rack < hosts.num_racks(); ++rack) {
    hits.rack.push_back(chance(hosts.rack_ranks(rack)));
  }
  return hits;
}

double sum_of(const std::vector<double>& values, const std::vector<int>& which) {
  double sum = 0;
  for (const int index : which) {
    sum += values[static_cast<size_t>(index)];
  }
  return sum;
}

/// Rows that a token from elsewhere brings into a host: over a wire each.
double rows_into_host(const planner::Hosts& hosts, const Hits& hits, Dedup dedup, int host) {
  switch (dedup) {
    case Dedup::kNone:
      return sum_of(hits.picks, hosts.ranks(host));
    case Dedup::kRank:
      return sum_of(hits.rank, hosts.ranks(host));
    case Dedup::kNode:
    case Dedup::kTier:
      break;
  }
  return hits.host[static_cast<size_t>(host)];
}

double rows_into_rack(const planner::Hosts& hosts, const Hits& hits, Dedup dedup, int rack) {
  if (dedup == Dedup::kTier) {
    return hits.rack[static_cast<size_t>(rack)];
  }
  double rows = 0;
  for (int host = 0; host < hosts.count(); ++host) {
    rows += hosts.rack_of_host(host) == rack ? rows_into_host(hosts, hits, dedup, host) : 0;
  }
  return rows;
}

double over(double bytes, double bytes_per_s) { return bytes_per_s > 0 ? bytes / bytes_per_s : 0; }

}  // namespace

double hit_chance(int num_experts, int some, int top_k) {
  double missed = 1;
  for (int pick = 0; pick < top_k; ++pick) {
    missed *= std::max(0.0, static_cast<double>(num_experts - some - pick) / static_cast<double>(num_experts - pick));
  }
  return 1 - missed;
}

std::vector<double> predict_stages(const planner::Hosts& hosts, const cost::CostModel& model, const ExpertMap& map,
                                   int top_k, Dedup dedup, double bytes_per_rank) {
  const Hits hits = hits_of(hosts, map, top_k);
  const int num_ranks = hosts.num_ranks();
  std::vector<double> into_host, into_rack;
  double all_hosts = 0;
  double all_racks = 0;
  for (int host = 0; host < hosts.count(); ++host) {
    into_host.push_back(rows_into_host(hosts, hits, dedup, host));
    all_hosts += into_host.back();
  }
  for (int rack = 0; rack < hosts.num_racks(); ++rack) {
    into_rack.push_back(rows_into_rack(hosts, hits, dedup, rack));
    all_racks += into_rack.back();
  }
  double hosts_s = 0;
  double copies_s = 0;
  for (int host = 0; host < hosts.count(); ++host) {
    const auto& link = model.subtrees[static_cast<size_t>(hosts.tree_node(host))];
    const double own = hosts.size(host);
    const double in = into_host[static_cast<size_t>(host)];
    // A rack's holder sends a row on to the rack's other hosts: as many rows as the racks' sources save.
    const double out = all_hosts - in;
    hosts_s = std::max({hosts_s, over(own * out * bytes_per_rank, link.egress_bytes_per_s),
                        over((num_ranks - own) * in * bytes_per_rank, link.ingress_bytes_per_s)});
    const bool hands_on = dedup == Dedup::kNode || dedup == Dedup::kTier;
    const double handed_on = hands_on ? (num_ranks - own) * sum_of(hits.rank, hosts.ranks(host)) : 0;
    const double copied = own * all_hosts + 2 * handed_on + num_ranks * sum_of(hits.picks, hosts.ranks(host));
    copies_s = std::max(copies_s, over(copied * bytes_per_rank, model.host_copy_bytes_per_s));
  }
  double racks_s = 0;
  for (int rack = 0; rack < hosts.num_racks() && hosts.num_racks() > 1; ++rack) {
    const auto node = static_cast<size_t>(hosts.rack_node(rack));
    const double own = static_cast<double>(hosts.rack_ranks(rack).size());
    const double in = into_rack[static_cast<size_t>(rack)];
    racks_s = std::max({racks_s, over(own * (all_racks - in) * bytes_per_rank, model.subtrees[node].egress_bytes_per_s),
                        over((num_ranks - own) * in * bytes_per_rank, model.subtrees[node].ingress_bytes_per_s)});
  }
  if (dedup == Dedup::kTier && hosts.num_racks() > 1) {
    return {racks_s, hosts_s, copies_s};
  }
  return {std::max(racks_s, hosts_s), copies_s};
}

double predict_dispatch(const planner::Hosts& hosts, const cost::CostModel& model, const ExpertMap& map, int top_k,
                        Dedup dedup, double bytes_per_rank) {
  const auto stages_s = predict_stages(hosts, model, map, top_k, dedup, bytes_per_rank);
  const double per_part_s = predict_overheads(hosts, model);
  return predict_parts(stages_s, per_part_s, choose_parts(stages_s, per_part_s, kMostParts));
}

Dedup choose_dedup(const planner::Hosts& hosts, const cost::CostModel& model, const ExpertMap& map, int top_k,
                   double bytes_per_rank) {
  if (hosts.count() == 1) {
    return Dedup::kRank;
  }
  Dedup best = Dedup::kRank;
  double best_s = predict_dispatch(hosts, model, map, top_k, best, bytes_per_rank);
  for (const Dedup dedup : {Dedup::kNode, Dedup::kTier}) {
    if (dedup == Dedup::kTier && hosts.num_racks() < 2) {
      continue;
    }
    const double seconds = predict_dispatch(hosts, model, map, top_k, dedup, bytes_per_rank);
    if (seconds < best_s) {
      best = dedup;
      best_s = seconds;
    }
  }
  return best;
}

}  // namespace banyan::moe
